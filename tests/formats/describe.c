#include "tests/formats/formats.h"

#include <inttypes.h>

void describe_control(const struct control *c, struct buf *out)
{
    buf_printf(out, "kind %d\ntenant %s\nrequest %" PRIu64 "\ngeneration %" PRIu64 "\nversion %" PRIu32 "\n",
               (int)c->kind, c->tenant, c->request, c->generation, c->version);
    buf_printf(out, "wanted %d\nwhat %d\nrole %d\nok %d\npid %" PRId32 "\npage %" PRIu64 "\n", c->wanted, c->what,
               c->role, c->ok, c->pid, c->page);
    buf_printf(out, "restarts %" PRIu32 "\nstate %d\nsince_ms %" PRId64 "\nnext_start_ms %" PRId64 "\ntext %s\n",
               c->restarts, c->state, c->since_ms, c->next_start_ms, c->text);
}

void describe_page(const struct status_page *page, struct buf *out)
{
    char words[PAGE_WORDS];
    struct buf detail = {0};
    page_words(page, words);
    buf_printf(out, "heartbeat %" PRIu64 "\ngeneration %" PRIu64 "\n", atomic_load(&page->heartbeat),
               atomic_load(&page->generation));
    buf_printf(out, "blocked_until_ms %" PRId64 "\nin_message %" PRId64 "\nstate %s\nwords %s\n",
               atomic_load(&page->blocked_until_ms), atomic_load(&page->in_message),
               page_state_name(atomic_load(&page->state)), words);
    for (int i = 0; i < PAGE_SLOTS; i++)
        if (atomic_load(&page->slots[i]))
            buf_printf(out, "slot %d %" PRId64 "\n", i, atomic_load(&page->slots[i]));
    if (page_detail(page, &detail))
        buf_printf(out, "detail %s\n", buf_cstr(&detail));
    buf_free(&detail);
}
