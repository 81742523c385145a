/*
 * A disk whose fsync fails, for one SQLite database. Preloaded (ld.so(8)) into the service.
 *
 * Linux tells of a failed write-back once, and forgets what it could not write: the pages count as clean, so the next
 * fsync succeeds without them ("fsyncgate"). A process cannot see that, as it reads from the page cache. So this keeps
 * a second image of the database and its WAL, of what would be there after a power cut: writes reach it with the next
 * fsync that succeeds, and are gone from it with one that fails.
 *
 *   FSYNC_DATABASE  path of the database
 *   FSYNC_IMAGE     path of its image. A file with ".fail" behind this name has two numbers: of how many fsyncs of the
 *                   database, and of its WAL, one fails; 0 is none. A line in ".log" tells of each: of which file
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DATABASE, WAL, FILES, MAX_FD = 65536 };

/* A write, or with no bytes a truncation. */
struct change {
  struct change *next;
  off_t at;
  size_t size;
  char bytes[];
};

static const char *const suffixes[FILES] = {"", "-wal"};
static struct { int image; struct change *first, **last; } files[FILES] = {{-1, 0, 0}, {-1, 0, 0}};
/* Which of them a descriptor is of, and one. */
static unsigned char file_of[MAX_FD];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static char *image_path(char *path, const char *suffix) {
  snprintf(path, PATH_MAX, "%s%s", getenv("FSYNC_IMAGE"), suffix);
  return path;
}

static int which(const char *path) {
  const char *database = getenv("FSYNC_DATABASE");
  for (int i = 0; database && i < FILES; i++) {
    size_t length = strlen(database);
    if (strncmp(path, database, length) == 0 && strcmp(path + length, suffixes[i]) == 0) return i;
  }
  return -1;
}

static int known(int fd) { return fd >= 0 && fd < MAX_FD ? file_of[fd] - 1 : -1; }

int open64(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
  va_end(more);
  int fd = REAL(open64)(path, flags, mode);
  int file = fd < 0 || fd >= MAX_FD ? -1 : which(path);
  if (file < 0) return fd;
  char image[PATH_MAX];
  pthread_mutex_lock(&lock);
  if (files[file].image < 0) {
    files[file].image = REAL(open64)(image_path(image, suffixes[file]), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    files[file].last = &files[file].first;
  }
  file_of[fd] = file + 1;
  pthread_mutex_unlock(&lock);
  return fd;
}

int close(int fd) {
  if (fd >= 0 && fd < MAX_FD) file_of[fd] = 0;
  return REAL(close)(fd);
}

static void note(int file, off_t at, const void *bytes, size_t size) {
  struct change *change = malloc(sizeof *change + size);
  *change = (struct change){.at = at, .size = size};
  if (size > 0) memcpy(change->bytes, bytes, size);
  pthread_mutex_lock(&lock);
  *files[file].last = change;
  files[file].last = &change->next;
  pthread_mutex_unlock(&lock);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
  ssize_t written = REAL(pwrite64)(fd, bytes, size, at);
  if (written > 0 && known(fd) >= 0) note(known(fd), at, bytes, written);
  return written;
}

int ftruncate64(int fd, off64_t size) {
  int result = REAL(ftruncate64)(fd, size);
  if (result == 0 && known(fd) >= 0) note(known(fd), size, NULL, 0);
  return result;
}

static int fails(int file) {
  static unsigned seed;
  char path[PATH_MAX];
  int one_in[FILES] = {0, 0};
  FILE *said = fopen(image_path(path, ".fail"), "re");
  if (!said) return 0;
  int found = fscanf(said, "%d %d", &one_in[DATABASE], &one_in[WAL]);
  fclose(said);
  if (seed == 0) seed = getpid() ^ time(NULL);
  if (found < FILES || one_in[file] == 0 || rand_r(&seed) % one_in[file] != 0) return 0;
  int log = REAL(open64)(image_path(path, ".log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
  dprintf(log, "%s\n", file == WAL ? "wal" : "database");
  REAL(close)(log);
  return 1;
}

static int settle(int fd, int (*sync)(int)) {
  int file = known(fd);
  if (file < 0) return sync(fd);
  pthread_mutex_lock(&lock);
  int failed = fails(file);
  for (struct change *change = files[file].first, *next; change; change = next) {
    next = change->next;
    if (!failed && change->size > 0) REAL(pwrite64)(files[file].image, change->bytes, change->size, change->at);
    if (!failed && change->size == 0) REAL(ftruncate64)(files[file].image, change->at);
    free(change);
  }
  files[file].first = NULL;
  files[file].last = &files[file].first;
  pthread_mutex_unlock(&lock);
  if (!failed) return sync(fd);
  errno = EIO;
  return -1;
}

int fsync(int fd) { return settle(fd, REAL(fsync)); }
int fdatasync(int fd) { return settle(fd, REAL(fdatasync)); }
