/* What a tenant has in the store from its first day. */
#include "coredms/coredms.h"

int coredms_has_checkpoint(struct coredms *db, bool *there, struct err *err)
{
    struct checkpoint_head head;
    *there = checkpoint_head(db, &head, err) == 0;
    if (!*there)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    checkpoint_head_free(&head);
    return 0;
}

int coredms_has_history(struct coredms *db, bool *there, struct err *err)
{
    struct source source;
    if (history_source(db, &source, err) < 0)
        return -1;
    *there = source.epoch > 0;
    return 0;
}

static int begin_missing(struct coredms *db, uint64_t generation, unsigned *begun, struct err *err)
{
    struct checkpoint_head head;
    struct source source;
    bool checkpoint, history;
    if (coredms_has_checkpoint(db, &checkpoint, err) < 0 || coredms_has_history(db, &history, err) < 0)
        return -1;
    if (!history && history_raise(db, generation, &source, err) < 0)
        return -1;
    if (!checkpoint && checkpoint_raise(db, generation, &head, err) < 0)
        return -1;
    if (!checkpoint)
        checkpoint_head_free(&head);
    *begun = (checkpoint ? 0 : COREDMS_WRITES_STREAM) | (history ? 0 : COREDMS_WRITES_BATCH);
    return 0;
}

int coredms_begin(const char *uri, const char *tenant, uint64_t generation, unsigned *begun, struct err *err)
{
    struct coredms *db;
    if (coredms_open(uri, tenant, COREDMS_WRITES_STREAM | COREDMS_WRITES_BATCH, &db, err) < 0)
        return -1;
    int status = begin_missing(db, generation, begun, err);
    coredms_close(&db);
    return status;
}
