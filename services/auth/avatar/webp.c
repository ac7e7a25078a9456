/* WebP, lossy and lossless; of an animation the first frame, where it stands on the
 * canvas. */
#include <webp/decode.h>
#include <webp/demux.h>
#include <webp/encode.h>

#include "exif.h"
#include "picture.h"

#define ALPHA_GOES_AT 5 /* quality */

/* ---- reading ---- */

static unsigned
find_orientation(const WebPDemuxer *d)
{
	WebPChunkIterator it;
	unsigned orientation = 1;

	if (WebPDemuxGetChunk(d, "EXIF", 1, &it)) {
		orientation = exif_orientation(pl_str_n(it.chunk.bytes, it.chunk.size));
		WebPDemuxReleaseChunkIterator(&it);
	}
	return orientation;
}

static bool
fits(const WebPIterator *frame, const struct picture *p)
{
	WebPBitstreamFeatures f;

	return frame->x_offset >= 0 && frame->y_offset >= 0 && frame->width > 0 &&
	       frame->height > 0 &&
	       (uint32_t)(frame->x_offset + frame->width) <= p->width &&
	       (uint32_t)(frame->y_offset + frame->height) <= p->height &&
	       WebPGetFeatures(frame->fragment.bytes, frame->fragment.size, &f) ==
		   VP8_STATUS_OK &&
	       f.width == frame->width && f.height == frame->height;
}

static enum pl_err
decode_frame(const WebPDemuxer *d, struct picture *p)
{
	size_t stride = (size_t)p->width * 4, skipped;
	WebPIterator frame;
	bool is_read = false;

	if (!WebPDemuxGetFrame(d, 1, &frame))
		return PL_E_INVALID;
	if (frame.complete && fits(&frame, p)) {
		skipped = (size_t)frame.y_offset * stride + (size_t)frame.x_offset * 4;
		is_read = WebPDecodeRGBAInto(frame.fragment.bytes, frame.fragment.size,
			      p->rgba + skipped, stride * p->height - skipped,
			      (int)stride) != NULL;
	}
	WebPDemuxReleaseIterator(&frame);
	return is_read ? PL_OK : PL_E_INVALID;
}

static enum pl_err
decode(const WebPDemuxer *d, struct picture *out)
{
	struct picture p;
	enum pl_err err = picture_init(&p, WebPDemuxGetI(d, WEBP_FF_CANVAS_WIDTH),
	    WebPDemuxGetI(d, WEBP_FF_CANVAS_HEIGHT));

	if (err != PL_OK)
		return err;
	err = decode_frame(d, &p);
	if (err == PL_OK)
		*out = p;
	else
		picture_fini(&p);
	return err;
}

enum pl_err
webp_read(struct pl_str file, struct picture *out, unsigned *orientation)
{
	WebPData data = {(const uint8_t *)file.ptr, file.len};
	WebPDemuxer *d = WebPDemux(&data);
	enum pl_err err;

	if (d == NULL)
		return PL_E_INVALID; /* also a file that is not whole */
	err = decode(d, out);
	if (err == PL_OK)
		*orientation = find_orientation(d);
	WebPDemuxDelete(d);
	return err;
}

/* ---- writing ---- */

static int
on_bytes(const uint8_t *data, size_t size, const WebPPicture *picture)
{
	struct pl_buf *out = picture->custom_ptr;

	return pl_buf_add(out, data, size) == PL_OK; /* no: it ends there */
}

static bool
encode(WebPPicture *picture, const struct picture *p, const WebPConfig *config)
{
	int stride = (int)(p->width * 4);

	return (picture_is_opaque(p) ? WebPPictureImportRGBX(picture, p->rgba, stride)
				     : WebPPictureImportRGBA(picture, p->rgba, stride)) &&
	       WebPEncode(config, picture);
}

enum pl_err
webp_write(const struct picture *p, int quality, struct pl_buf *out)
{
	size_t len = out->len;
	WebPPicture picture;
	WebPConfig config;
	bool is_written;

	if (!WebPConfigPreset(&config, WEBP_PRESET_PICTURE, (float)quality) ||
	    !WebPPictureInit(&picture))
		return PL_E_INVALID;
	config.method = 2;
	config.low_memory = 1;
	config.alpha_quality =
	    quality > ALPHA_GOES_AT ? quality : 0; /* 0: there or not */
	picture.width = (int)p->width;
	picture.height = (int)p->height;
	picture.writer = on_bytes;
	picture.custom_ptr = out;
	is_written = encode(&picture, p, &config);
	WebPPictureFree(&picture);
	if (is_written)
		return PL_OK;
	out->len = len;
	return PL_E_TOO_BIG;
}
