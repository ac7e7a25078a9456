#include "contract/sqlite_faults.h"

int
main(void)
{
	return sqlite_faults_run("sqlite: faults", store_faults_calls);
}
