#include "http/aside.h"

static struct connection_list aside = TAILQ_HEAD_INITIALIZER(aside);

void
pl_aside_keep(struct connection *c)
{
	TAILQ_REMOVE(&connections, c, list);
	TAILQ_INSERT_TAIL(&aside, c, list);
}

void
pl_aside_give_back(struct connection *c)
{
	TAILQ_REMOVE(&aside, c, list);
	TAILQ_INSERT_TAIL(&connections, c, list);
}

void
pl_aside_disconnect(void)
{
	struct connection *c;

	while ((c = TAILQ_FIRST(&aside)) != NULL)
		kore_connection_disconnect(c);
}
