#include "proto/ws_frame.h"

#include <assert.h>

#include "base/utf8.h"

#define FIN      0x80 /* byte 0 */
#define RSV_BITS 0x70
#define OPCODE   0x0F
#define MASKED   0x80 /* byte 1 */
#define LENGTH   0x7F
#define LEN_16   126 /* the values of LENGTH that announce a longer field */
#define LEN_64   127

static const struct {
	uint16_t code;
	const char *text;
} verdicts[] = {
    [PL_WS_FINE] = {PL_WS_CODE_NORMAL, "fine"},
    [PL_WS_MORE] = {PL_WS_CODE_NORMAL, "not whole yet"},
    [PL_WS_BAD_RSV] = {PL_WS_CODE_PROTOCOL_ERROR, "reserved bit set"},
    [PL_WS_BAD_OPCODE] = {PL_WS_CODE_PROTOCOL_ERROR, "reserved opcode"},
    [PL_WS_BAD_MASK] = {PL_WS_CODE_PROTOCOL_ERROR, "wrong masking"},
    [PL_WS_BAD_LENGTH] = {PL_WS_CODE_PROTOCOL_ERROR, "bad length"},
    [PL_WS_BAD_CONTROL] = {PL_WS_CODE_PROTOCOL_ERROR, "bad control frame"},
    [PL_WS_BAD_ORDER] = {PL_WS_CODE_PROTOCOL_ERROR, "frame out of order"},
    [PL_WS_BAD_CLOSE] = {PL_WS_CODE_PROTOCOL_ERROR, "bad close frame"},
    [PL_WS_BAD_UTF8] = {PL_WS_CODE_BAD_DATA, "text is not UTF-8"},
    [PL_WS_BAD_SIZE] = {PL_WS_CODE_TOO_BIG, "message too big"},
    [PL_WS_BAD_FRAGMENTS] = {PL_WS_CODE_POLICY, "too many fragments"},
    [PL_WS_BAD_CONTROL_RATE] = {PL_WS_CODE_POLICY, "too many control frames"},
};

uint16_t
pl_ws_verdict_code(enum pl_ws_verdict verdict)
{
	return verdicts[verdict].code;
}

const char *
pl_ws_verdict_text(enum pl_ws_verdict verdict)
{
	return verdicts[verdict].text;
}

/* Big-endian, as all numbers in a frame. */
static uint64_t
read_number(const uint8_t *data, size_t len)
{
	uint64_t n = 0;

	for (size_t i = 0; i < len; i++)
		n = n << 8 | data[i];
	return n;
}

static void
write_number(uint8_t *out, size_t len, uint64_t n)
{
	for (size_t i = len; i-- > 0; n >>= 8)
		out[i] = (uint8_t)n;
}

static enum pl_ws_verdict
check_byte_0(uint8_t byte_0)
{
	uint8_t opcode = byte_0 & OPCODE;

	if (byte_0 & RSV_BITS)
		return PL_WS_BAD_RSV;
	if ((opcode & 0x7) > 2) /* 0 to 2 and 8 to 10 have a meaning */
		return PL_WS_BAD_OPCODE;
	if (pl_ws_opcode_is_control(opcode) && !(byte_0 & FIN))
		return PL_WS_BAD_CONTROL;
	return PL_WS_FINE;
}

static enum pl_ws_verdict
check_byte_1(enum pl_ws_role role, uint8_t byte_0, uint8_t byte_1)
{
	bool masked = (byte_1 & MASKED) != 0;

	if (masked != (role == PL_WS_SERVER)) /* §5.1: only clients mask */
		return PL_WS_BAD_MASK;
	if (pl_ws_opcode_is_control(byte_0 & OPCODE) &&
	    (byte_1 & LENGTH) > PL_WS_CONTROL_MAX)
		return PL_WS_BAD_CONTROL;
	return PL_WS_FINE;
}

/* How many bytes hold the payload's length after byte 1. */
static size_t
length_field(uint8_t byte_1)
{
	switch (byte_1 & LENGTH) {
	case LEN_16:
		return 2;
	case LEN_64:
		return 8;
	default:
		return 0;
	}
}

/* The payload's length; data starts at byte 0 and has `len` bytes. */
static enum pl_ws_verdict
read_length(const uint8_t *data, size_t len, uint64_t *out)
{
	size_t field = length_field(data[1]);
	uint64_t n;

	if (field == 0) {
		*out = data[1] & LENGTH;
		return PL_WS_FINE;
	}
	if (field == 8 && len > 2 && data[2] & 0x80) /* §5.2: the top bit must be 0 */
		return PL_WS_BAD_LENGTH;
	if (len < 2 + field)
		return PL_WS_MORE;
	n = read_number(data + 2, field);
	if (n <
	    (field == 2 ? LEN_16 : UINT16_MAX + 1u)) /* §5.2: the shortest form only */
		return PL_WS_BAD_LENGTH;
	*out = n;
	return PL_WS_FINE;
}

enum pl_ws_verdict
pl_ws_header_parse(
    enum pl_ws_role role, const uint8_t *data, size_t len, struct pl_ws_header *out)
{
	enum pl_ws_verdict verdict;
	struct pl_ws_header h = {0};

	if (len < 1)
		return PL_WS_MORE;
	if ((verdict = check_byte_0(data[0])) != PL_WS_FINE)
		return verdict;
	if (len < 2)
		return PL_WS_MORE;
	if ((verdict = check_byte_1(role, data[0], data[1])) != PL_WS_FINE)
		return verdict;
	if ((verdict = read_length(data, len, &h.len)) != PL_WS_FINE)
		return verdict;
	h.fin = (data[0] & FIN) != 0;
	h.opcode = data[0] & OPCODE;
	h.masked = (data[1] & MASKED) != 0;
	h.size = (uint8_t)(2 + length_field(data[1]) + (h.masked ? PL_WS_MASK_LEN : 0));
	if (len < h.size)
		return PL_WS_MORE;
	if (h.masked)
		memcpy(h.mask, data + h.size - PL_WS_MASK_LEN, PL_WS_MASK_LEN);
	*out = h;
	return PL_WS_FINE;
}

size_t
pl_ws_header_encode(uint8_t out[PL_WS_HEADER_MAX], enum pl_ws_opcode opcode, bool fin,
    uint64_t len, const uint8_t mask[PL_WS_MASK_LEN])
{
	size_t size;

	out[0] = (uint8_t)((fin ? FIN : 0) | opcode);
	if (len < LEN_16)
		out[1] = (uint8_t)len;
	else
		out[1] = len <= UINT16_MAX ? LEN_16 : LEN_64;
	size = 2 + length_field(out[1]);
	write_number(out + 2, size - 2, len);
	if (mask) {
		out[1] |= MASKED;
		memcpy(out + size, mask, PL_WS_MASK_LEN);
		size += PL_WS_MASK_LEN;
	}
	return size;
}

enum pl_err
pl_ws_frame_encode(struct pl_buf *out, enum pl_ws_opcode opcode, struct pl_str payload,
    const uint8_t mask[PL_WS_MASK_LEN])
{
	uint8_t head[PL_WS_HEADER_MAX];
	size_t size = pl_ws_header_encode(head, opcode, true, payload.len, mask);
	char *room = pl_buf_reserve(out, size + payload.len);

	if (room == NULL)
		return PL_E_TOO_BIG;
	memcpy(room, head, size);
	if (payload.len > 0) {
		memcpy(room + size, payload.ptr, payload.len);
		if (mask)
			pl_ws_mask(room + size, payload.len, mask, 0);
	}
	out->len += size + payload.len;
	out->data[out->len] = '\0';
	return PL_OK;
}

void
pl_ws_mask(void *data, size_t len, const uint8_t mask[PL_WS_MASK_LEN], uint64_t offset)
{
	uint8_t *at = data;
	uint8_t key[8];
	uint64_t word, key_word;

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = mask[(offset + i) % PL_WS_MASK_LEN];
	memcpy(&key_word, key, sizeof(key_word));
	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		word ^= key_word;
		memcpy(at, &word, sizeof(word));
	}
	for (size_t i = 0; i < len; i++)
		at[i] ^= key[i];
}

/* RFC 6455 §7.4.1, §7.4.2, and the IANA registry. */
static bool
close_code_is_valid(unsigned code)
{
	if (code >= 3000 && code <= 4999) /* for libraries and applications, §7.4.2 */
		return true;
	/* 1004 is reserved; 1005, 1006 and 1015 only ever stand for something that
	 * happened. */
	return code >= 1000 && code <= 1014 && (code < 1004 || code > 1006);
}

enum pl_ws_verdict
pl_ws_close_parse(struct pl_str body, uint16_t *code, struct pl_str *reason)
{
	struct pl_str text;
	unsigned n;

	if (body.len == 0) {
		*code = PL_WS_CODE_NONE;
		*reason = body;
		return PL_WS_FINE;
	}
	if (body.len < 2)
		return PL_WS_BAD_CLOSE;
	n = (unsigned)read_number((const uint8_t *)body.ptr, 2);
	if (!close_code_is_valid(n))
		return PL_WS_BAD_CLOSE;
	text = pl_str_n(body.ptr + 2, body.len - 2);
	if (!pl_utf8_is_valid(text))
		return PL_WS_BAD_UTF8;
	*code = (uint16_t)n;
	*reason = text;
	return PL_WS_FINE;
}

size_t
pl_ws_close_encode(uint8_t out[PL_WS_CONTROL_MAX], uint16_t code, struct pl_str reason)
{
	size_t len = reason.len;

	if (code == PL_WS_CODE_NONE)
		return 0;
	assert(close_code_is_valid(code));
	if (len > PL_WS_CLOSE_REASON_MAX) {
		len = PL_WS_CLOSE_REASON_MAX;
		while (len > 0 && ((uint8_t)reason.ptr[len] & 0xC0) == 0x80)
			len--; /* the cut is within a character: leave it out */
	}
	write_number(out, 2, code);
	if (len > 0)
		memcpy(out + 2, reason.ptr, len);
	return 2 + len;
}
