#include <curl/curl.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "http_post.h"

struct http_client {
	struct pl_loop *loop;
	CURLM *multi;
	char *url;
	struct curl_slist *headers;
	bool is_tls;
	struct pl_timer timer;
};

/* A descriptor of libcurl's. */
struct watched {
	struct pl_loop_fd fd;
	struct http_client *client;
};

/* ---- libcurl's view of the loop ---- */

static enum pl_err
err_of(CURLcode code, CURL *easy)
{
	double connected_s = 0;

	switch (code) {
	case CURLE_OK:
		return PL_OK;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
		return PL_E_UNAVAILABLE;
	case CURLE_OPERATION_TIMEDOUT:
		(void)curl_easy_getinfo(easy, CURLINFO_CONNECT_TIME, &connected_s);
		return connected_s > 0 ? PL_E_TIMEOUT : PL_E_UNAVAILABLE;
	case CURLE_WRITE_ERROR: /* on_body() refused what is too long */
		return PL_E_TOO_BIG;
	default:
		return PL_E_IO;
	}
}

/* A post's own header goes in front of those that all posts share. */
static struct curl_slist *
make_own_header(const struct pl_trace *trace, struct curl_slist *shared)
{
	struct curl_slist *own;
	struct pl_buf line;

	if (pl_trace_is_none(trace))
		return NULL;
	pl_buf_init(&line, PL_BUF_UNLIMITED);
	pl_buf_printf(&line, "traceparent: %s", trace->text);
	own = curl_slist_append(NULL, line.data);
	pl_buf_fini(&line);
	if (own != NULL)
		own->next = shared;
	return own;
}

static void
free_own_header(struct curl_slist *own)
{
	if (own != NULL)
		own->next = NULL;
	curl_slist_free_all(own);
}

static void
forget_easy(struct http_post *post)
{
	(void)curl_multi_remove_handle(post->client->multi, post->easy);
	curl_easy_cleanup(post->easy);
	free_own_header(post->own_header);
	post->easy = NULL;
	post->own_header = NULL;
}

static void
finish(struct http_post *post, CURLcode code)
{
	curl_off_t retry_after_s = 0;
	long status = 0;

	post->err = err_of(code, post->easy);
	if (post->err == PL_E_TOO_BIG)
		post->detail = "answer too long";
	else
		post->detail = code == CURLE_OK ? NULL : curl_easy_strerror(code);
	(void)curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(post->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
	post->status = (int)status;
	if (retry_after_s > 86400)
		retry_after_s = 86400;
	if (retry_after_s * 1000 > post->retry_after_ms)
		post->retry_after_ms = retry_after_s * 1000;
	forget_easy(post);
	post->done(post);
}

static void
reap(struct http_client *client)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(client->multi, &left)) != NULL) {
		CURLcode code = msg->data.result;
		char *arg = NULL;

		if (msg->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &arg);
		finish((struct http_post *)(void *)arg, code);
	}
}

static void
act(struct http_client *client, curl_socket_t fd, int events)
{
	int running;

	(void)curl_multi_socket_action(client->multi, fd, events, &running);
	reap(client);
}

static void
on_ready(struct pl_loop_fd *w, unsigned ready)
{
	struct http_client *client = ((struct watched *)w->arg)->client;
	int events = 0;

	if ((ready & PL_FD_READ) != 0)
		events |= CURL_CSELECT_IN;
	if ((ready & PL_FD_WRITE) != 0)
		events |= CURL_CSELECT_OUT;
	act(client, w->fd, events); /* may free w */
}

static void
on_timer(struct pl_timer *t)
{
	act(t->arg, CURL_SOCKET_TIMEOUT, 0);
}

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct http_client *client = arg;
	struct watched *w = socket_arg;
	unsigned wanted = 0;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (w != NULL)
			pl_loop_fd_watch(client->loop, &w->fd, 0);
		pl_mem_free(w);
		return 0;
	}
	if (w == NULL) {
		w = pl_mem_zalloc(sizeof(*w));
		w->client = client;
		w->fd = (struct pl_loop_fd){.fd = fd, .on_ready = on_ready, .arg = w};
		(void)curl_multi_assign(client->multi, fd, w);
	}
	if (what == CURL_POLL_IN || what == CURL_POLL_INOUT)
		wanted |= PL_FD_READ;
	if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT)
		wanted |= PL_FD_WRITE;
	pl_loop_fd_watch(client->loop, &w->fd, wanted);
	return 0;
}

static int
on_timeout_changed(CURLM *multi, long timeout_ms, void *arg)
{
	struct http_client *client = arg;

	(void)multi;
	if (timeout_ms < 0)
		pl_timer_stop(client->loop, &client->timer);
	else
		pl_timer_start(client->loop, &client->timer, timeout_ms);
	return 0;
}

/* ---- the client ---- */

static struct curl_slist *
make_headers(const char *token)
{
	/* "Expect:" with no value keeps libcurl from asking before it sends. */
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");
	struct pl_buf line;

	list = curl_slist_append(list, "Content-Type: application/json");
	list = curl_slist_append(list, "Accept: application/json");
	if (token == NULL)
		return list;
	pl_buf_init(&line, PL_BUF_UNLIMITED);
	pl_buf_printf(&line, "Authorization: Bearer %s", token);
	list = curl_slist_append(list, line.data);
	explicit_bzero(line.data, line.len);
	pl_buf_fini(&line);
	return list;
}

struct http_client *
http_client_new(struct pl_loop *loop, const struct http_client_config *config)
{
	struct http_client *client;
	CURLM *multi;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
	    (multi = curl_multi_init()) == NULL)
		return NULL;
	client = pl_mem_zalloc(sizeof(*client));
	client->loop = loop;
	client->multi = multi;
	client->url = pl_mem_strdup(config->url);
	client->is_tls = strncasecmp(config->url, "https:", 6) == 0;
	client->headers = make_headers(config->token);
	client->timer = (struct pl_timer){.on_fire = on_timer, .arg = client};
	(void)curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client);
	(void)curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timeout_changed);
	(void)curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client);
	(void)curl_multi_setopt(
	    multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)config->connections_max);
	return client;
}

static void
wipe_headers(struct curl_slist *headers)
{
	for (struct curl_slist *h = headers; h != NULL; h = h->next)
		explicit_bzero(h->data, strlen(h->data));
	curl_slist_free_all(headers);
}

void
http_client_free(struct http_client *client)
{
	if (client == NULL)
		return;
	(void)curl_multi_cleanup(client->multi);
	pl_timer_stop(client->loop, &client->timer);
	wipe_headers(client->headers);
	pl_mem_free(client->url);
	pl_mem_free(client);
	curl_global_cleanup();
}

/* ---- a post ---- */

static size_t
on_body(char *data, size_t size, size_t count, void *arg)
{
	struct http_post *post = arg;

	return pl_buf_add(&post->answer, data, size * count) == PL_OK ? size * count : 0;
}

/* RateLimit: "api";r=0;t=55   t: seconds until there is room again */
static int64_t
ratelimit_ms(struct pl_str value)
{
	struct pl_str part;
	uint64_t seconds;

	while (pl_str_split(&value, ';', &part)) {
		part = pl_str_trim(part);
		if (pl_str_starts(part, PL_STR("t=")) &&
		    pl_str_to_u64(pl_str_n(part.ptr + 2, part.len - 2), 86400, &seconds))
			return (int64_t)seconds * 1000;
	}
	return 0;
}

static size_t
on_header(char *data, size_t size, size_t count, void *arg)
{
	struct http_post *post = arg;
	struct pl_str line = pl_str_n(data, size * count), name;

	while (line.len > 0 &&
	       (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
		line.len--;
	if (pl_str_split(&line, ':', &name) &&
	    pl_str_eq_nocase(name, PL_STR("RateLimit")) && line.len > 0)
		post->retry_after_ms = ratelimit_ms(line);
	return size * count;
}

static void
set_options(CURL *easy, struct http_post *post, int64_t timeout_ms)
{
	struct http_client *client = post->client;

	curl_easy_setopt(easy, CURLOPT_URL, client->url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, client->is_tls ? "https" : "http");
	post->own_header = make_own_header(post->trace, client->headers);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER,
	    post->own_header != NULL ? post->own_header : client->headers);
	curl_easy_setopt(easy, CURLOPT_POST, 1L);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post->body.len);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, post->body.ptr);
	curl_easy_setopt(easy, CURLOPT_USERAGENT, "parley");
	/* Else libcurl would send it up to five times more, uncounted: when a kept
	 * connection breaks, and when HTTP/2 refuses the stream. */
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not even one from the environment */
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* A lookup that hangs is abandoned: the loop's thread must not wait. */
	curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(
	    easy, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_POST_CONNECT_TIMEOUT_MS);
	curl_easy_setopt(
	    easy, CURLOPT_TIMEOUT_MS, (long)(timeout_ms > 0 ? timeout_ms : 1));
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, post);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, post);
	curl_easy_setopt(easy, CURLOPT_PRIVATE, post);
}

/* libcurl starts by its timer, so done is not called from here. */
void
http_post_start(struct http_client *client, struct http_post *post, int64_t timeout_ms)
{
	CURL *easy = curl_easy_init();

	if (easy == NULL)
		abort(); /* memory is out, as in pl_mem_alloc() */
	pl_buf_fini(&post->answer);
	pl_buf_init(&post->answer, HTTP_POST_ANSWER_MAX);
	post->client = client;
	post->easy = easy;
	post->retry_after_ms = 0;
	set_options(easy, post, timeout_ms);
	(void)curl_multi_add_handle(client->multi, easy);
}

void
http_post_cancel(struct http_post *post)
{
	if (post->easy != NULL)
		forget_easy(post);
}

void
http_post_fini(struct http_post *post)
{
	http_post_cancel(post);
	pl_buf_fini(&post->answer);
}
