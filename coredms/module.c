/* The MongoDB store, loaded only where its URI asks for it. */
#include "coredms/backend.h"

#include "base/mem.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE "libbelltower-mongodb.so"

/* The folder above the one with this program: the package's prefix, or the build folder. */
static bool prefix(char out[PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (len <= 0)
        return false;
    out[len] = 0;
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(out, '/');
        if (!slash)
            return false;
        *slash = 0;
    }
    return true;
}

/* The package's folder if the module is there, else the build tree's. free() */
static char *module_path(void)
{
    const char *given = getenv("BELLTOWER_MODULES");
    char base[PATH_MAX];
    if (given && *given)
        return mem_printf("%s/" MODULE, given);
    if (!prefix(base))
        return mem_strdup(MODULE);
    char *path = mem_printf("%s/lib/belltower/" MODULE, base);
    if (access(path, R_OK) == 0)
        return path;
    free(path);
    return mem_printf("%s/lib/" MODULE, base);
}

static int check(const struct coredms_backend *backend, const char *path, struct err *err)
{
    if (!backend)
        return err_set(err, ERR_INVALID, "coredms: %s is no store of Belltower", path);
    if (backend->version != COREDMS_BACKEND_VERSION)
        return err_set(err, ERR_INVALID,
                       "coredms: %s belongs to another version of Belltower; install both from one package", path);
    return 0;
}

int coredms_load_module(const struct coredms_backend **backend, struct err *err)
{
    char *path = module_path();
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    int status;
    if (!module) {
        status = err_set(err, ERR_INVALID, "coredms: cannot load the MongoDB store: %s", dlerror());
    } else {
        const struct coredms_backend *found = dlsym(module, COREDMS_MONGODB_SYMBOL);
        status = check(found, path, err);
        if (status == 0)
            *backend = found;
        dlclose(module); /* only counts down: RTLD_NODELETE */
    }
    free(path);
    return status;
}
