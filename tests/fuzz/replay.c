/*
 * What libFuzzer does with files, for builds that are not its own.
 *
 *   fuzz_NAME FILE...   runs each once
 *   fuzz_NAME           all seeds of tests/fuzz/corpus/NAME: a unit test, which says so as
 *                       cmocka would
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
run(const char *path)
{
	static uint8_t data[1 << 20];
	FILE *file = fopen(path, "rbe");
	uint8_t *exact;
	size_t size;

	if (file == NULL) {
		perror(path);
		exit(1);
	}
	size = fread(data, 1, sizeof(data), file);
	fclose(file);
	exact = malloc(size + (size == 0)); /* so that a byte behind its end is seen */
	if (exact == NULL)
		abort();
	for (size_t i = 0; i < size; i++)
		exact[i] = data[i];
	(void)LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static int
run_seeds(void)
{
	char folder[128], path[512];
	const struct dirent *entry;
	DIR *dir;
	int count = 0;

	snprintf(folder, sizeof(folder), "tests/fuzz/corpus/%s",
	    program_invocation_short_name + strlen("fuzz_"));
	dir = opendir(folder);
	if (dir == NULL) {
		perror(folder);
		return 1;
	}
	printf("[==========] Running 1 test(s).\n");
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		fprintf(stderr, "%s\n", path);
		run(path);
		count++;
	}
	closedir(dir);
	printf("[       OK ] takes_its_seeds\n[==========] 1 test(s) run.\n"
	       "[  PASSED  ] 1 test(s).\n");
	return count > 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run(argv[i]);
	return argc > 1 ? 0 : run_seeds();
}
