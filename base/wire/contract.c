#include "base/wire/contract.h"
#include "base/utf8.h"
#include "base/wire/cursor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

const char *child_exit_name(int code)
{
    switch (code) {
    case EXIT_DONE:
        return "done";
    case EXIT_FAULT:
        return "fault";
    case EXIT_USAGE:
        return "usage";
    case EXIT_CONFIG:
        return "config";
    case EXIT_UNAVAILABLE:
        return "unavailable";
    case EXIT_OOM:
        return "out-of-memory";
    case EXIT_DENIED:
        return "denied";
    case EXIT_STOPPED:
        return "stopped";
    case EXIT_SUPERSEDED:
        return "superseded";
    default:
        return "unknown";
    }
}

const char *page_state_name(int state)
{
    static const char *const names[] = {"starting", "waiting", "ready", "paused", "draining"};
    return state >= 0 && state < PAGE_STATE_COUNT ? names[state] : "?";
}

const char *role_name(int role)
{
    static const char *const names[] = {"stream", "batch", "api", "provision"};
    return role >= 0 && role < ROLE_COUNT ? names[role] : "?";
}

/* ---- the page ---- */

static bool page_fd_ok(int fd)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    return fstat(fd, &st) == 0 && st.st_size == (off_t)sizeof(struct status_page) && seals >= 0 &&
           (seals & PAGE_SEALS) == PAGE_SEALS;
}

static void page_init(struct status_page *page, uint64_t generation)
{
    page->magic = PAGE_MAGIC;
    page->version = CONTRACT_VERSION;
    atomic_store(&page->generation, generation);
    atomic_store(&page->in_message, -1);
}

struct status_page *page_attach(void)
{
    if (page_fd_ok(CONTRACT_PAGE_FD)) {
        struct status_page *page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED, CONTRACT_PAGE_FD, 0);
        if (page != MAP_FAILED && page->magic == PAGE_MAGIC && page->version == CONTRACT_VERSION)
            return page;
    }
    static struct status_page own; /* alone: nobody looks at it */
    page_init(&own, 0);
    return &own;
}

void page_beat(struct status_page *page)
{
    atomic_fetch_add_explicit(&page->heartbeat, 1, memory_order_relaxed);
}

static void write_begin(_Atomic uint32_t *seq)
{
    atomic_fetch_add_explicit(seq, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

static void write_end(_Atomic uint32_t *seq)
{
    atomic_thread_fence(memory_order_release);
    atomic_fetch_add_explicit(seq, 1, memory_order_relaxed);
}

static void set_words(struct status_page *page, const char *words)
{
    if (strncmp(page->words, words, PAGE_WORDS - 1) == 0)
        return;
    write_begin(&page->words_seq);
    size_t len = strnlen(words, PAGE_WORDS - 1);
    memcpy(page->words, words, len);
    memset(page->words + len, 0, PAGE_WORDS - len);
    write_end(&page->words_seq);
}

void page_set_state(struct status_page *page, enum page_state state, const char *words)
{
    set_words(page, words ? words : "");
    atomic_store(&page->state, (int32_t)state);
}

void page_blocking(struct status_page *page, const char *what, int64_t until_mono_ms)
{
    if (what && atomic_load(&page->state) != PAGE_READY)
        set_words(page, what);
    atomic_store(&page->blocked_until_ms, what ? until_mono_ms : 0);
    page_beat(page);
}

/* The half of a slot that changes with every step up: what the kernel compares and wakes by. */
static const void *low_half(const struct status_page *page, unsigned slot)
{
    return (const char *)&page->slots[slot] + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0);
}

void page_set_waking(struct status_page *page, unsigned slot, int64_t value)
{
    if (atomic_exchange(&page->slots[slot], value) != value)
        syscall(SYS_futex, low_half(page, slot), FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void page_await(const struct status_page *page, unsigned slot, int64_t seen, int64_t limit_ms)
{
    const struct timespec limit = {.tv_sec = limit_ms / 1000, .tv_nsec = limit_ms % 1000 * 1000000};
    syscall(SYS_futex, low_half(page, slot), FUTEX_WAIT, (uint32_t)seen, &limit, NULL, 0);
}

bool page_set_detail(struct status_page *page, const struct buf *json)
{
    if (json->len > PAGE_DETAIL)
        return false;
    write_begin(&page->detail_seq);
    memcpy(page->detail, json->data, json->len);
    page->detail_len = (uint32_t)json->len;
    write_end(&page->detail_seq);
    return true;
}

int page_create(uint64_t generation, struct status_page **page, struct err *err)
{
    int fd = memfd_create("belltower-page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return err_set_errno(err, "cannot make a status page");
    struct status_page *p = MAP_FAILED;
    if (ftruncate(fd, sizeof *p) == 0 && fcntl(fd, F_ADD_SEALS, PAGE_SEALS) == 0)
        p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        err_set_errno(err, "cannot map a status page");
        close(fd);
        return -1;
    }
    page_init(p, generation);
    *page = p;
    return fd;
}

int page_map(int fd, const struct status_page **page, struct err *err)
{
    if (!page_fd_ok(fd))
        return err_set(err, ERR_INVALID, "the file descriptor is no sealed status page");
    struct status_page *p = mmap(NULL, sizeof *p, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return err_set_errno(err, "cannot map a status page");
    if (p->magic != PAGE_MAGIC || p->version != CONTRACT_VERSION) {
        munmap(p, sizeof *p);
        return err_set(err, ERR_INVALID, "a status page of another version");
    }
    *page = p;
    return 0;
}

void page_unmap(const struct status_page **page)
{
    if (*page)
        munmap((void *)*page, sizeof **page);
    *page = NULL;
}

#define READ_TRIES 100

/* A writer may have cut a character, or be out of its mind. */
static void mend_text(char *text)
{
    size_t left = strlen(text), n;
    for (char *p = text; left > 0; p += n, left -= n) {
        n = utf8_sequence((const unsigned char *)p, left);
        if (n == 0) {
            *p = '?';
            n = 1;
        }
    }
}

void page_words(const struct status_page *page, char out[PAGE_WORDS])
{
    for (int i = 0; i < READ_TRIES; i++) {
        uint32_t before = atomic_load_explicit(&page->words_seq, memory_order_acquire);
        memcpy(out, page->words, PAGE_WORDS);
        atomic_thread_fence(memory_order_acquire);
        if (!(before & 1) && before == atomic_load_explicit(&page->words_seq, memory_order_relaxed))
            break;
    }
    out[PAGE_WORDS - 1] = 0;
    mend_text(out);
}

bool page_detail(const struct status_page *page, struct buf *out)
{
    for (int i = 0; i < READ_TRIES; i++) {
        uint32_t before = atomic_load_explicit(&page->detail_seq, memory_order_acquire);
        uint32_t len = page->detail_len;
        if (len == 0 || len > PAGE_DETAIL)
            return false;
        memcpy(buf_reserve(out, len), page->detail, len);
        atomic_thread_fence(memory_order_acquire);
        if (!(before & 1) && before == atomic_load_explicit(&page->detail_seq, memory_order_relaxed)) {
            out->len += len;
            return true;
        }
    }
    return false;
}

/* ---- control messages ---- */

static void put_text(struct buf *b, const char *text)
{
    put_bytes(b, text, strlen(text));
}

static void get_text(struct cursor *c, char *out, size_t size)
{
    size_t len;
    const char *p = get_bytes(c, &len);
    if (len >= size || memchr(p, 0, len)) {
        c->bad = true;
        len = 0;
    }
    memcpy(out, p, len);
    out[len] = 0;
}

void control_encode(const struct control *c, struct buf *out)
{
    put_u8(out, CONTRACT_VERSION);
    put_u8(out, (uint8_t)c->kind);
    put_text(out, c->tenant);
    put_u64(out, c->request);
    put_u64(out, c->generation);
    put_u32(out, c->version);
    put_u8(out, c->wanted);
    put_u8(out, c->what);
    put_u8(out, c->role);
    put_u8(out, c->ok);
    put_u32(out, (uint32_t)c->pid);
    put_u64(out, c->page);
    put_u32(out, c->restarts);
    put_u8(out, c->state);
    put_i64(out, c->since_ms);
    put_i64(out, c->next_start_ms);
    put_text(out, c->text);
}

static bool kind_known(unsigned kind)
{
    return kind == CTL_RELOAD || (kind >= CTL_WANT && kind <= CTL_RESTART) ||
           (kind >= CTL_PROVISIONED && kind <= CTL_GONE);
}

int control_decode(const void *p, size_t len, struct control *c, struct err *err)
{
    struct cursor in = cursor_of(p, len);
    unsigned version = get_u8(&in);
    memset(c, 0, sizeof *c);
    c->kind = (enum control_kind)get_u8(&in);
    get_text(&in, c->tenant, sizeof c->tenant);
    c->request = get_u64(&in);
    c->generation = get_u64(&in);
    c->version = get_u32(&in);
    c->wanted = get_u8(&in);
    c->what = get_u8(&in);
    c->role = get_u8(&in);
    c->ok = get_u8(&in);
    c->pid = (int32_t)get_u32(&in);
    c->page = get_u64(&in);
    c->restarts = get_u32(&in);
    c->state = get_u8(&in);
    c->since_ms = get_i64(&in);
    c->next_start_ms = get_i64(&in);
    get_text(&in, c->text, sizeof c->text);
    if (version != CONTRACT_VERSION)
        return err_set(err, ERR_INVALID, "a control message of version %u, this is version %d", version,
                       CONTRACT_VERSION);
    if (!cursor_done(&in) || !kind_known(c->kind))
        return err_set(err, ERR_INVALID, "a control message of %zu bytes, kind %d, is malformed", len, (int)c->kind);
    if (c->wanted > WANT_REMOVED || c->what > PROVISION_PLATFORM || c->role >= ROLE_COUNT)
        return err_set(err, ERR_INVALID, "a control message of kind %d has a value out of range", (int)c->kind);
    return 0;
}

int control_send(int socket, const struct control *c, int fd, struct err *err)
{
    struct buf b = {0};
    control_encode(c, &b);
    struct iovec iov = {b.data, b.len};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } u = {0};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        m.msg_control = u.space;
        m.msg_controllen = sizeof u.space;
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        h->cmsg_level = SOL_SOCKET;
        h->cmsg_type = SCM_RIGHTS;
        h->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(h), &fd, sizeof fd);
    }
    ssize_t n = sendmsg(socket, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    int saved = errno;
    buf_free(&b);
    errno = saved;
    if (n >= 0)
        return 0;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
        return err_set(err, ERR_UNAVAILABLE, "the control socket is full");
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
        return err_set(err, ERR_NOT_FOUND, "the other end of the control socket is gone");
    return err_set_errno(err, "cannot send a control message");
}

static void take_fds(struct msghdr *m, int *fd)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int got;
            memcpy(&got, CMSG_DATA(h) + i * sizeof got, sizeof got);
            if (*fd < 0)
                *fd = got;
            else
                close(got);
        }
    }
}

int control_receive(int socket, struct control *c, int *fd, struct err *err)
{
    char bytes[CONTROL_MAX_BYTES];
    union {
        char space[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } u = {0};
    struct iovec iov = {bytes, sizeof bytes};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.space, .msg_controllen = sizeof u.space};
    *fd = -1;
    ssize_t n = recvmsg(socket, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return err_set(err, ERR_UNAVAILABLE, "no control message is waiting");
    if (n < 0 && errno != ECONNRESET)
        return err_set_errno(err, "cannot receive a control message");
    if (n <= 0)
        return err_set(err, ERR_NOT_FOUND, "the other end of the control socket is gone");
    take_fds(&m, fd);
    if ((m.msg_flags & MSG_TRUNC) || control_decode(bytes, (size_t)n, c, err) < 0) {
        if (*fd >= 0)
            close(*fd);
        *fd = -1;
        return m.msg_flags & MSG_TRUNC ? err_set(err, ERR_INVALID, "a control message is too long") : -1;
    }
    return 0;
}
