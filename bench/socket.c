/* bench-socket: what an upload is compared with: a file's bytes through a bare socket into the parser of uploads, and
 * nothing behind it.
 *   bench-socket APP-FILE DATA.csv
 * Prints a JSON object. */
#include "api/upload.h"
#include "bench/timing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define READ_BYTES 65536

static void die(const char *what)
{
    fprintf(stderr, "bench-socket: %s\n", what);
    exit(1);
}

static int count_bytes(void *context, uint64_t number, const struct buf *body, uint64_t lines, struct err *err)
{
    (void)number;
    (void)lines;
    (void)err;
    *(uint64_t *)context += body->len;
    return 0;
}

static struct app *load(const char *path)
{
    static char text[65536];
    struct app_diags diags;
    FILE *f = fopen(path, "r");
    size_t len = f ? fread(text, 1, sizeof text, f) : 0;
    if (f)
        fclose(f);
    struct app *app = app_load(text, len, NULL, &diags);
    if (!app)
        die("the app cannot be read");
    app_diags_free(&diags);
    return app;
}

/* The end of a socket out of which the file comes. */
static int send_file(const char *path, pid_t *pid)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
        die("no socket");
    *pid = fork();
    if (*pid == 0) {
        int file = open(path, O_RDONLY);
        while (file >= 0 && sendfile(pair[1], file, NULL, READ_BYTES) > 0)
            ;
        _exit(file < 0);
    }
    close(pair[1]);
    return pair[0];
}

int main(int argc, char **argv)
{
    static char block[READ_BYTES];
    struct err err;
    uint64_t out = 0, in = 0;
    int status;
    pid_t pid;
    if (argc != 3)
        die("usage: bench-socket APP-FILE DATA.csv");
    struct app *app = load(argv[1]);
    struct upload u = {.app = app, .format = UPLOAD_CSV, .send = count_bytes, .context = &out};
    upload_begin(&u);
    double began = wall_s();
    int socket = send_file(argv[2], &pid);
    for (ssize_t n; (n = read(socket, block, sizeof block)) > 0; in += (uint64_t)n)
        if (upload_add(&u, block, (size_t)n, &err) < 0)
            die(err.text);
    if (upload_end(&u, &err) < 0)
        die(err.text);
    printf("{\"bytes\":%llu,\"accepted\":%llu,\"rejected\":%llu,\"seconds\":%.3f}\n", (unsigned long long)in,
           (unsigned long long)u.accepted, (unsigned long long)u.rejected, wall_s() - began);
    waitpid(pid, &status, 0);
    upload_free(&u);
    app_free(&app);
    return status != 0;
}
