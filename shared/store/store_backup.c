#include "base/mem.h"
#include "store/store_backend.h"

void
pl_backup_list_fini(struct pl_backup_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		pl_mem_free(list->items[i].name);
	pl_mem_free(list->items);
	*list = (struct pl_backup_list){0};
}

struct pl_backup_part *
pl_backup_list_add(struct pl_backup_list *list, const char *name)
{
	struct pl_backup_part *part;

	list->items = pl_store_grow(list->items, list->count, sizeof(*list->items));
	part = &list->items[list->count++];
	*part = (struct pl_backup_part){.name = pl_mem_strdup(name)};
	return part;
}

enum pl_err
pl_store_backup(const struct pl_store_config *config, const char *folder,
    struct pl_backup_list *parts, struct pl_buf *why)
{
	*parts = (struct pl_backup_list){0};
	if (config->mongo_uri != NULL)
		return pl_mongo_backup(config, folder, parts, why);
	return pl_sqlite_backup(config, folder, parts, why);
}

enum pl_err
pl_store_restore(const struct pl_store_config *config, const char *folder, const char *id,
    struct pl_backup_list *parts, struct pl_buf *why)
{
	*parts = (struct pl_backup_list){0};
	if (config->mongo_uri != NULL)
		return pl_mongo_restore(config, folder, id, parts, why);
	return pl_sqlite_restore(config, folder, parts, why);
}
