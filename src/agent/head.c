/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the ranks of an attempt meet. */
#include "config.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"

#include "agent/head.h"

#define FIRST_PORT 10000
#define PORTS 20000

char *head_address(void)
{
    char host[256] = "";
    struct addrinfo *found = NULL;
    const char *address = getenv("SLURM_LAUNCH_NODE_IPADDR");

    if (gethostname(host, sizeof(host) - 1) == 0 && host[0] &&
        getaddrinfo(host, NULL, NULL, &found) == 0) {
        freeaddrinfo(found);
        address = host;
    }
    return xstrdup(address && *address ? address : "127.0.0.1");
}

static bool can_bind(int family, const struct sockaddr *address,
                     socklen_t length)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    /* A host without this family has nothing bound in it either. */
    if (fd < 0)
        return true;
    bool free_now = bind(fd, address, length) == 0 || errno != EADDRINUSE;
    close(fd);
    return free_now;
}

static bool is_free(int port)
{
    struct sockaddr_in v4 = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
    };
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6,
        .sin6_port = htons((uint16_t)port),
    };

    return can_bind(AF_INET, (struct sockaddr *)&v4, sizeof(v4)) &&
           can_bind(AF_INET6, (struct sockaddr *)&v6, sizeof(v6));
}

int head_port(const char *job)
{
    uint32_t hash = 2166136261u;             /* FNV-1a */

    for (const char *p = job; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    for (int i = 0; i < PORTS; i++) {
        int port = FIRST_PORT + (int)((hash + (uint32_t)i) % PORTS);
        if (is_free(port))
            return port;
    }
    return FIRST_PORT + (int)(hash % PORTS);
}
