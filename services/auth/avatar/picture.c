#include "picture.h"

#include <string.h>

#include "base/mem.h"

enum pl_err
picture_init(struct picture *p, uint32_t width, uint32_t height)
{
	if (width == 0 || height == 0)
		return PL_E_INVALID;
	if (width > PICTURE_SIDE_MAX || height > PICTURE_SIDE_MAX)
		return PL_E_TOO_BIG;
	*p = (struct picture){width, height, pl_mem_zalloc((size_t)width * height * 4)};
	return PL_OK;
}

void
picture_fini(struct picture *p)
{
	pl_mem_free(p->rgba);
	*p = (struct picture){0};
}

bool
picture_is_opaque(const struct picture *p)
{
	size_t count = (size_t)p->width * p->height;

	for (size_t i = 0; i < count; i++)
		if (p->rgba[4 * i + 3] != 255)
			return false;
	return true;
}

/* Where the pixel (x, y) of the turned picture stands in the one before. Orientation says
 * on which sides of the upright picture the first row and the first column are. */
static size_t
place_before(const struct picture *p, unsigned orientation, uint32_t x, uint32_t y)
{
	uint32_t last_x = p->width - 1, last_y = p->height - 1;

	switch (orientation) {
	case 2: /* top, right */
		return (size_t)y * p->width + (last_x - x);
	case 3: /* bottom, right */
		return (size_t)(last_y - y) * p->width + (last_x - x);
	case 4: /* bottom, left */
		return (size_t)(last_y - y) * p->width + x;
	case 5: /* left, top */
		return (size_t)x * p->width + y;
	case 6: /* right, top */
		return (size_t)(last_y - x) * p->width + y;
	case 7: /* right, bottom */
		return (size_t)(last_y - x) * p->width + (last_x - y);
	case 8: /* left, bottom */
		return (size_t)x * p->width + (last_x - y);
	default:
		return (size_t)y * p->width + x;
	}
}

void
picture_turn(struct picture *p, unsigned orientation)
{
	bool is_sideways = orientation >= 5 && orientation <= 8;
	struct picture turned = {.width = is_sideways ? p->height : p->width,
	    .height = is_sideways ? p->width : p->height};
	uint8_t *to;

	if (orientation < 2 || orientation > 8)
		return;
	turned.rgba = to = pl_mem_alloc((size_t)p->width * p->height * 4);
	for (uint32_t y = 0; y < turned.height; y++)
		for (uint32_t x = 0; x < turned.width; x++, to += 4)
			memcpy(to, p->rgba + 4 * place_before(p, orientation, x, y), 4);
	picture_fini(p);
	*p = turned;
}
