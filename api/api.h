/* What all parts of the API share. Made once by main.c; everything in it is safe to use from any thread. */
#ifndef BELLTOWER_API_API_H
#define BELLTOWER_API_API_H

#include "base/settings.h"

#include <stdatomic.h>
#include <stdbool.h>

struct stores;
struct publisher;
struct supervision;
struct apps;
struct keeper;
struct metrics_http;
struct waits;
struct damage;

struct api {
    struct settings settings;
    char platform_token_hash[65]; /* SHA-256, hex */
    struct stores *stores;
    struct publisher *publisher;
    struct supervision *supervision;
    struct apps *apps;
    struct keeper *keeper;
    struct metrics_http *http; /* response times */
    struct waits *waits;       /* calls that wait for a run */
    struct damage *damage;     /* found in the store */
    _Atomic bool draining;     /* no new work; whoever waits gives up */
};

#endif
