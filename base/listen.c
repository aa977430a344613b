#include "base/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int listen_parse(const char *text, struct sockaddr_in *a, struct err *err)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;
    char *end = NULL;
    long port = colon && colon[1] ? strtol(colon + 1, &end, 10) : -1;
    snprintf(host, sizeof host, "%.*s", (int)(len < sizeof host ? len : 0), text);
    const char *number = !*host || strcmp(host, "*") == 0 ? "0.0.0.0"
                         : strcmp(host, "localhost") == 0 ? "127.0.0.1"
                                                          : host;
    *a = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (port < 1 || port > 65535 || *end || len >= sizeof host || inet_pton(AF_INET, number, &a->sin_addr) != 1)
        return err_set(err, ERR_INVALID, "listen: \"%s\" is not of the form IPv4-ADDRESS:PORT, as in 127.0.0.1:8080",
                       text);
    return 0;
}

int listen_check(const char *text, struct err *err)
{
    struct sockaddr_in a;
    int one = 1, status = 0;
    if (listen_parse(text, &a, err) < 0)
        return -1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(err, "cannot make a socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 1) < 0)
        status = errno == EADDRINUSE
                     ? err_set(err, ERR_CONFLICT,
                               "listen: %s is in use by another program; stop it or give another --listen", text)
                     : err_set_errno(err, "listen: %s", text);
    close(fd);
    return status;
}
