/* What libFuzzer does with files, for builds that are not its own: replay FILE... runs
 * each once. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

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

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		run(argv[i]);
	return 0;
}
