#include "api/backup/digest.h"

#include "base/mem.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

struct digest {
    EVP_MD_CTX *context;
};

/* libcrypto fails here only for want of memory. */
static void must(int good)
{
    if (!good)
        exit(MEM_EXIT_OOM);
}

struct digest *digest_new(void)
{
    struct digest *d = mem_zero(1, sizeof *d);
    d->context = EVP_MD_CTX_new();
    must(d->context != NULL);
    digest_begin(d);
    return d;
}

void digest_free(struct digest **d)
{
    if (!*d)
        return;
    EVP_MD_CTX_free((*d)->context);
    free(*d);
    *d = NULL;
}

void digest_begin(struct digest *d)
{
    must(EVP_DigestInit_ex(d->context, EVP_sha256(), NULL));
}

void digest_add(struct digest *d, const void *p, size_t len)
{
    must(EVP_DigestUpdate(d->context, p, len));
}

void digest_hex(const struct digest *d, char out[DIGEST_HEX_SIZE])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    must(copy && EVP_MD_CTX_copy_ex(copy, d->context) && EVP_DigestFinal_ex(copy, bytes, &len));
    EVP_MD_CTX_free(copy);
    for (unsigned i = 0; i < len && 2 * i + 2 < DIGEST_HEX_SIZE; i++)
        snprintf(out + 2 * (size_t)i, 3, "%02x", bytes[i]);
}
