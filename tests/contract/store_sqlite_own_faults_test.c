#include "contract/sqlite_faults.h"

int
main(void)
{
	return sqlite_faults_run("sqlite: faults of one's own", store_faults_own);
}
