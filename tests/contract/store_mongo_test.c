/* The contract against MongoDB's stand-in. */
#include "contract/mongo_databases.h"

int
main(void)
{
	return store_contract_run(&mongo_factory);
}
