/* SPDX-License-Identifier: BSD-3-Clause */
/* A site file over a site. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "job/site_keys.h"
#include "job/source.h"

/* The fields of a plan that the template of a launcher may use. */
static const char *const template_fields[] = {
    "nodes", "tasks", "tasks_per_node", "cpus_per_task", "gpus_per_task",
    "agent", "run", "run.dir", "store", "directory",
};
#define FIELD_COUNT (sizeof(template_fields) / sizeof(template_fields[0]))

static const char *const schedulers[] = { "auto", "slurm", "pbs", "local" };
#define SCHEDULER_COUNT (sizeof(schedulers) / sizeof(schedulers[0]))

static bool is_one_of(const char *word, const char *const *words,
                      size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static void unknown_field(struct source *source, const char *key,
                          const config_setting_t *setting, const char *field)
{
    struct mlb_text list = MLB_TEXT_INIT;

    for (size_t i = 0; i < FIELD_COUNT; i++)
        text_addf(&list, "%s%s", i ? ", " : "", template_fields[i]);
    source_problem(source, setting, key,
                   "no field \"%s\"; the fields are %s", field, list.data);
    text_clear(&list);
}

/* Are all fields of one word of a template known? "$${x}" is no field. */
static void check_word(struct source *source, const char *key,
                       const config_setting_t *setting, const char *word)
{
    for (const char *p = strchr(word, '$'); p; p = strchr(p, '$')) {
        if (p[1] == '$' && p[2] == '{')
            p += 3;
        else if (p[1] != '{')
            p++;
        else if (!strchr(p, '}')) {
            source_problem(source, setting, key,
                           "\"%s\" has ${ without }", word);
            return;
        } else {
            size_t length = strcspn(p + 2, "}");
            char *field = xstrndup(p + 2, length);
            if (!is_one_of(field, template_fields, FIELD_COUNT))
                unknown_field(source, key, setting, field);
            free(field);
            p += length + 3;
        }
    }
}

static void check_template(struct source *source, const char *key,
                           const config_setting_t *group)
{
    const config_setting_t *setting = config_setting_get_member(group, key);
    int count = setting && config_setting_is_aggregate(setting)
                    ? config_setting_length(setting)
                    : 0;

    for (int i = 0; i < count; i++) {
        const config_setting_t *word =
            config_setting_get_elem(setting, (unsigned)i);
        if (word->type == CONFIG_TYPE_STRING)
            check_word(source, key, word, word->value.sval);
    }
}

/* Read one group of a list by keys into base. False if it has no name, by
 * which the other files and job files know it. */
static bool read_element(struct source *source,
                         const config_setting_t *element,
                         const struct job_key *keys, void *base)
{
    struct source inner = *source;
    char *label = xasprintf("%s[%d].", element->parent->name,
                            config_setting_index(element));

    inner.keys = keys;
    inner.base = base;
    inner.label = label;
    source_read_group(&inner, element);
    /* The name is the first member of both structs. */
    const char *name = *(char *const *)base;
    if (element->type == CONFIG_TYPE_GROUP && (!name || !*name))
        source_problem(&inner, element, "name", "is missing");
    if (element->type == CONFIG_TYPE_GROUP && keys == launcher_keys) {
        check_template(&inner, "slurm", element);
        check_template(&inner, "pbs", element);
        check_template(&inner, "local", element);
    }
    free(label);
    return name && *name;
}

static void add_launcher(struct mlb_site *site, struct mlb_launcher *new)
{
    struct mlb_launcher *old =
        (struct mlb_launcher *)site_launcher(site, new->name);

    if (old) {
        launcher_clear(old);
    } else {
        site->launchers =
            xrealloc(site->launchers,
                     (site->launcher_count + 1) * sizeof(*site->launchers));
        old = &site->launchers[site->launcher_count++];
    }
    *old = *new;
}

static void add_partition(struct mlb_site *site,
                          struct mlb_site_partition *new)
{
    struct mlb_site_partition *old =
        (struct mlb_site_partition *)site_partition(site, new->name);

    if (old) {
        partition_clear(old);
    } else {
        site->partitions =
            xrealloc(site->partitions, (site->partition_count + 1) *
                                           sizeof(*site->partitions));
        old = &site->partitions[site->partition_count++];
    }
    *old = *new;
}

static void read_launcher(struct source *source,
                          const config_setting_t *element)
{
    struct mlb_launcher launcher = { .slurm = MLB_STRINGS_INIT,
                                     .pbs = MLB_STRINGS_INIT,
                                     .local = MLB_STRINGS_INIT };

    if (read_element(source, element, launcher_keys, &launcher))
        add_launcher(source->base, &launcher);
    else
        launcher_clear(&launcher);
}

static void read_partition(struct source *source,
                           const config_setting_t *element)
{
    struct mlb_site_partition partition = {
        .max_nodes = MLB_UNSET, .max_walltime = MLB_UNSET,
        .cpus_per_node = MLB_UNSET, .gpus_per_node = MLB_UNSET,
        .memory_per_node = MLB_UNSET,
    };

    if (read_element(source, element, partition_keys, &partition))
        add_partition(source->base, &partition);
    else
        partition_clear(&partition);
}

static bool read_special(struct source *source, const struct job_key *key,
                         const config_setting_t *setting)
{
    if (!source_is_list(source, key->path, setting))
        return false;
    int count = config_setting_length(setting);
    for (int i = 0; i < count; i++) {
        const config_setting_t *element =
            config_setting_get_elem(setting, (unsigned)i);
        if (key->type == KEY_LAUNCHERS)
            read_launcher(source, element);
        else
            read_partition(source, element);
    }
    return true;
}

/* What the tables cannot say. Where: only the file that was just read can
 * be at fault, so its origins are at hand. */
static void check_texts(const struct mlb_site *site,
                        const struct mlb_fields *origins,
                        struct mlb_problems *problems)
{
    const char *where = fields_get(origins, "scheduler");

    if (where && !is_one_of(site->scheduler, schedulers, SCHEDULER_COUNT)) {
        const char *near = text_suggest(site->scheduler, schedulers,
                                        SCHEDULER_COUNT);
        problems_add(problems, where,
                     "scheduler: \"%s\" is not auto, slurm, pbs or "
                     "local%s%s%s", site->scheduler,
                     near ? ", did you mean \"" : "", near ? near : "",
                     near ? "\"?" : "");
    }
    where = fields_get(origins, "store");
    if (where && site->store && site->store[0] != '/')
        problems_add(problems, where,
                     "store: \"%s\" must be an absolute path", site->store);
}

int site_read_file(struct mlb_site *site, const char *path, bool optional,
                   struct mlb_problems *problems, struct mlb_error *err)
{
    struct mlb_text text = MLB_TEXT_INIT;
    struct mlb_fields origins = MLB_FIELDS_INIT;
    struct source source = {
        .name = path, .keys = site_keys, .base = site, .label = "",
        .problems = problems, .origins = &origins, .bounded = true,
        .special = read_special,
    };
    struct mlb_error why = { .code = MLB_OK };
    int rc = source_load(path, &text, &why);

    if (rc == 0) {
        rc = source_read(&source, text.data, &why);
        check_texts(site, &origins, problems);
    }
    if (rc == 0)
        strings_push(&site->sources, path);
    else if (optional && why.code == MLB_ERR_NOT_FOUND)
        rc = 0;
    else
        mlb_error_set(err, MLB_ERR_BAD_INPUT, "%s", why.text);
    fields_clear(&origins);
    text_clear(&text);
    return rc;
}
