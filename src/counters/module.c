/* SPDX-License-Identifier: BSD-3-Clause */
/* PAPI's source, in a module of its own: loaded only where it can count. */
#include "config.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "counters/source.h"

#define MODULE "counters-papi.so"

/* The module beside this program, unless told otherwise. */
static char *module_path(const char *told)
{
    char self[PATH_MAX];

    if (told)
        return xstrdup(told);
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    return slash ? xasprintf("%.*s/" MODULE, (int)(slash - self), self)
                 : xstrdup(PKGLIBEXECDIR "/" MODULE);
}

const struct counters_source *counters_load_papi(const char *told,
                                                 struct metric_status *why)
{
    char *path = module_path(told), *reason;
    const struct counters_source *source = NULL;
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);

    if (module)
        source = dlsym(module, "papi_source");
    if (!source) {
#ifdef HAVE_PAPI
        const char *words = dlerror();
        reason = xasprintf("PAPI cannot be loaded: %s",
                           words ? words : "nothing in its module");
#else
        reason = xstrdup("this build has no PAPI (configure --with-papi)");
#endif
        metric_status_set(why, METRIC_UNAVAILABLE, METRIC_NO_LIBRARY, "papi",
                          reason);
        free(reason);
        if (module)
            dlclose(module);
    }
    free(path);
    return source;
}
