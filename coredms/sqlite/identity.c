/* Which files this process has open for writing. A thread that opens a database that others of the process have open
 * already must get the same file: after a removal it would begin an empty one beside them, and the platform would take
 * it for the truth. */
#include "coredms/sqlite/store.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct identity {
    char *path;
    dev_t device;
    ino_t inode;
    unsigned users;
    struct identity *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct identity *known; /* few: a process writes one registry and at most some tenants */

/* With the lock held. */
static struct identity **find(const char *path)
{
    struct identity **at = &known;
    while (*at && strcmp((*at)->path, path) != 0)
        at = &(*at)->next;
    return at;
}

static bool is_same(const struct identity *i, const struct stat *st)
{
    return i->device == st->st_dev && i->inode == st->st_ino;
}

int identity_check(const char *path, struct err *err)
{
    struct stat st;
    pthread_mutex_lock(&lock);
    const struct identity *i = *find(path);
    bool there = stat(path, &st) == 0, good = !i || (there && is_same(i, &st));
    pthread_mutex_unlock(&lock);
    if (good)
        return 0;
    return err_set(err, ERR_UNAVAILABLE, "%s: was %s while it was in use", path, there ? "replaced" : "removed");
}

bool identity_note(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return false;
    pthread_mutex_lock(&lock);
    struct identity **at = find(path);
    if (!*at) {
        *at = mem_zero(1, sizeof **at);
        **at = (struct identity){.path = mem_strdup(path), .device = st.st_dev, .inode = st.st_ino};
    }
    (*at)->users++;
    pthread_mutex_unlock(&lock);
    return true;
}

void identity_release(const char *path)
{
    pthread_mutex_lock(&lock);
    struct identity **at = find(path), *i = *at;
    if (i && --i->users == 0) {
        *at = i->next;
        free(i->path);
        free(i);
    }
    pthread_mutex_unlock(&lock);
}
