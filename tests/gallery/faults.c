/* Makes the n-th write to a file fail: cc -shared -fPIC -o faults.so faults.c -ldl, LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long left = -1, seen = 0;
static atomic_int number = 0, armed = 0;

/* From here on count; the n-th (from 1) fails. Of ENOSPC all that take room fail from there on. */
void fault_arm(long n, int error) { left = n; number = error; seen = 0; armed = 1; }
long fault_disarm(void) { armed = 0; return seen; }

static int fails(int frees) {
    if (!armed) return 0;
    long k = atomic_fetch_add(&seen, 1) + 1;
    if (left < 1) return 0;
    if (number == ENOSPC ? (k < left || frees) : k != left) return 0;
    errno = number;
    return 1;
}

static int is_file(int fd) {
    struct stat s;
    int kept = errno, found = fstat(fd, &s) == 0 && S_ISREG(s.st_mode);
    errno = kept;
    return found;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); if (!real) real = dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *b, size_t n) {
    REAL(ssize_t, "write", int, const void *, size_t);
    return armed && is_file(fd) && fails(0) ? -1 : real(fd, b, n);
}
ssize_t writev(int fd, const struct iovec *v, int n) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    return armed && is_file(fd) && fails(0) ? -1 : real(fd, v, n);
}
ssize_t pwrite64(int fd, const void *b, size_t n, off_t o) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);
    return armed && is_file(fd) && fails(0) ? -1 : real(fd, b, n, o);
}
ssize_t pwrite(int fd, const void *b, size_t n, off_t o) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    return armed && is_file(fd) && fails(0) ? -1 : real(fd, b, n, o);
}
int fsync(int fd) { REAL(int, "fsync", int); return fails(0) ? -1 : real(fd); }
int fdatasync(int fd) { REAL(int, "fdatasync", int); return fails(0) ? -1 : real(fd); }
int rename(const char *a, const char *b) {
    REAL(int, "rename", const char *, const char *);
    return fails(0) ? -1 : real(a, b);
}
int link(const char *a, const char *b) {
    REAL(int, "link", const char *, const char *);
    return fails(0) ? -1 : real(a, b);
}
int linkat(int x, const char *a, int y, const char *b, int f) {
    REAL(int, "linkat", int, const char *, int, const char *, int);
    return fails(0) ? -1 : real(x, a, y, b, f);
}
int mkdir(const char *p, mode_t m) {
    REAL(int, "mkdir", const char *, mode_t);
    return fails(0) ? -1 : real(p, m);
}
int unlink(const char *p) { REAL(int, "unlink", const char *); return fails(1) ? -1 : real(p); }

#define OPEN(name) \
    int name(const char *p, int f, ...) { \
        va_list l; va_start(l, f); mode_t m = va_arg(l, mode_t); va_end(l); \
        REAL(int, #name, const char *, int, ...); \
        return (f & O_CREAT) && fails(0) ? -1 : real(p, f, m); \
    }
OPEN(open)
OPEN(open64)
