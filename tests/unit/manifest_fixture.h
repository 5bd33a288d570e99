/* SPDX-License-Identifier: BSD-3-Clause */
/* Manifests that say something else than is true. */
#ifndef TESTS_MANIFEST_FIXTURE_H
#define TESTS_MANIFEST_FIXTURE_H

#include "store_fixture.h"

#include <jansson.h>

/* Put value (JSON) at a path like fields.0.name of a manifest, or with NULL
 * take the key away; see that the data set is refused then, and put the
 * manifest back. Returns the code of the refusal. */
static UNUSED enum mlb_errcode refusal_of_lie(const char *directory,
                                              const char *where,
                                              const char *value)
{
    char *path = xasprintf("%s/manifest.json", directory), *rest;
    json_t *all = json_load_file(path, 0, NULL), *at = all;
    char *text = json_dumps(all, 0), *words = xstrdup(where), *key;
    struct mlb_error err = { 0 };

    key = strtok_r(words, ".", &rest);
    for (char *next; (next = strtok_r(NULL, ".", &rest)); key = next)
        at = json_is_array(at) ? json_array_get(at, strtoul(key, NULL, 10))
                               : json_object_get(at, key);
    if (!value)
        json_object_del(at, key);
    else if (json_is_array(at))
        json_array_set_new(at, strtoul(key, NULL, 10),
                           json_loads(value, JSON_DECODE_ANY, NULL));
    else
        json_object_set_new(at, key, json_loads(value, JSON_DECODE_ANY,
                                                NULL));
    assert_int_equal(json_dump_file(all, path, 0), 0);
    struct mlb_dataset *d = mlb_dataset_open(directory, &err);
    if (d)
        fail_msg("took %s = %s", where, value ? value : "nothing");
    write_file(path, text);
    json_decref(all);
    free(text);
    free(words);
    free(path);
    return err.code;
}

#endif
