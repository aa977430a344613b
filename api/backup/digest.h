/* SHA-256 of bytes as they come. */
#ifndef BELLTOWER_API_BACKUP_DIGEST_H
#define BELLTOWER_API_BACKUP_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#define DIGEST_HEX_SIZE 65

struct digest;
struct digest *digest_new(void);
void digest_free(struct digest **d); /* no-op on NULL */
void digest_begin(struct digest *d); /* anew */
void digest_add(struct digest *d, const void *p, size_t len);
/* Of all since the beginning, in hex; more may be added. */
void digest_hex(const struct digest *d, char out[DIGEST_HEX_SIZE]);

#endif
