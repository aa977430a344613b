/* From a method and an address to a row of the one table of calls. PURE. Addresses are matched as sent, segment by
 * segment: case counts, nothing is folded, and what percent-encoding hides must be of its parameter's characters. */
#ifndef BELLTOWER_API_ROUTER_H
#define BELLTOWER_API_ROUTER_H

#include "api/request.h"

enum route_who { WHO_ANYONE, WHO_TENANT, WHO_PLATFORM }; /* WHO_TENANT: the tenant's own token, or the platform's */

struct route_parameter { /* ends with name NULL */
    const char *name, *in, *type, *help;
};

struct route_answer { /* ends with status 0 */
    int status;
    const char *type; /* media types, space between; "" = no body */
    const char *help;
};

typedef void route_handler(struct request *r);

struct route {
    const char *method, *pattern; /* "/v1/tenants/{tenant}/app" */
    enum route_who who;
    route_handler *handler;
    const char *name; /* operationId; the handler is handle_NAME */
    const char *summary;
    const char *takes;                        /* media types of the body, space between; NULL = none */
    const struct route_parameter *parameters; /* of query and header; NULL = none */
    const struct route_answer *answers;       /* those of success; problems follow from who and takes */
    bool any_query;                           /* other query parameters have a meaning too */
};

bool route_takes(const struct route *route, const char *query_parameter);

struct route_match {
    const struct route *route; /* NULL: none */
    bool bad;                  /* the address is malformed */
    char allow[64];            /* methods of the address; "" = there is no such address */
    char parameters[PARAMETERS_MAX][PARAMETER_SIZE];
};
/* path: as sent, without query. HEAD finds the row of GET. */
void route_find(const struct route *routes, size_t count, const char *method, const char *path, struct route_match *m);

/* Names a run may have; also what an Idempotency-Key of a run is made of. */
bool run_id_ok(const char *id, size_t len);

#endif
