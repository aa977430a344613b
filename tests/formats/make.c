/* Writes the files of this directory: make-formats DIRECTORY. They are kept as version 1 wrote them; a later version
 * gets files of its own beside them. */
#include "tests/formats/formats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct control controls[] = {
    {.kind = CTL_RELOAD, .version = 7},
    {.kind = CTL_WANT, .tenant = "acme", .wanted = WANT_PAUSED, .generation = 3, .version = 12},
    {.kind = CTL_WANT_END},
    {.kind = CTL_PROVISION, .tenant = "acme", .request = 41, .generation = 3, .what = PROVISION_REMOVE_KEEP_DATA},
    {.kind = CTL_LIST, .request = 42},
    {.kind = CTL_RESTART, .tenant = "acme", .role = ROLE_BATCH, .what = RESTART_SKIP},
    {.kind = CTL_PROVISIONED, .tenant = "acme", .request = 41, .ok = 1, .text = "{\"user\":\"belltower-in-acme\"}"},
    {.kind = CTL_WORKER,
     .tenant = "acme",
     .generation = 3,
     .version = 12,
     .role = ROLE_STREAM,
     .pid = 4711,
     .page = 9,
     .restarts = 2,
     .state = 4,
     .since_ms = 1700000000123,
     .next_start_ms = 1700000060000,
     .text = "ready\nended by signal 9 after 3 s"},
    {.kind = CTL_LIST_END, .request = 42},
    {.kind = CTL_GONE, .tenant = "acme", .generation = 3},
};

static void write_file(const char *directory, const char *name, const void *p, size_t len)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *out = fopen(path, "wb");
    if (!out || fwrite(p, 1, len, out) != len || fclose(out) != 0) {
        perror(path);
        exit(1);
    }
}

static void write_both(const char *directory, const char *name, const void *p, size_t len, struct buf *text)
{
    char beside[80];
    snprintf(beside, sizeof beside, "%s.txt", name);
    write_file(directory, name, p, len);
    write_file(directory, beside, text->data, text->len);
    buf_free(text);
}

static void make_controls(const char *directory)
{
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++) {
        struct buf bytes = {0}, text = {0};
        char name[64];
        snprintf(name, sizeof name, "control-1-%d", (int)controls[i].kind);
        control_encode(&controls[i], &bytes);
        describe_control(&controls[i], &text);
        write_both(directory, name, bytes.data, bytes.len, &text);
        buf_free(&bytes);
    }
}

static int make_page(const char *directory)
{
    static const char json[] = "{\"streams\":[{\"name\":\"alarms\",\"open_windows\":4,\"next_close\":1700000300000}]}";
    struct status_page *page;
    struct err err;
    struct buf detail = {0}, text = {0};
    int fd = page_create(3, &page, &err);
    if (fd < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (unsigned i = 0; i < PAGE_SLOTS; i += 5)
        page_set(page, i, (int64_t)i * 1000003 - 7);
    page_blocking(page, "saving", 123456789);
    page_set_state(page, PAGE_PAUSED, "the broker holds back publishers: its disk is full (näytön)");
    atomic_store(&page->in_message, 40017);
    buf_add(&detail, json, sizeof json - 1);
    if (!page_set_detail(page, &detail))
        return 1;
    describe_page(page, &text);
    write_both(directory, "page-1", page, sizeof *page, &text);
    buf_free(&detail);
    page_unmap((const struct status_page **)&page);
    close(fd);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make-formats DIRECTORY\n");
        return 2;
    }
    make_controls(argv[1]);
    return make_page(argv[1]);
}
