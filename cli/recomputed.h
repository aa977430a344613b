/* The results that a replay gives, kept in a store of their own in a temporary directory, so that they are as many as
 * they like and come in the same order as those of the platform's store. */
#ifndef BELLTOWER_CLI_RECOMPUTED_H
#define BELLTOWER_CLI_RECOMPUTED_H

#include "coredms/coredms.h"
#include "stream/engine/engine.h"

struct recomputed;
int recomputed_open(const char *tenant, uint64_t generation, struct recomputed **r, struct err *err) MUSTCHECK;
void recomputed_close(struct recomputed **r); /* its directory goes */
/* Results with a number above it are left out; default: none is. */
void recomputed_up_to(struct recomputed *r, int64_t number);
struct engine_sink recomputed_sink(struct recomputed *r);
int64_t recomputed_count(const struct recomputed *r); /* results taken, corrections too */
/* What is still in memory goes into the store; here a failure during the replay is told. */
int recomputed_finish(struct recomputed *r, struct coredms **db, struct err *err) MUSTCHECK;

#endif
