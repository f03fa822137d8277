/* Loaded before a program (LD_PRELOAD): it dies by SIGKILL at the n-th system call that changes files of a folder.

       KILL_FOLDER   calls on paths below it, and on files opened there, are counted
       KILL_FROM     the count begins with the call that opens so many-th temporary file there, from 1
       KILL_AT       n, from 0: the call that is not made, or of a write half
       KILL_LOG      a file to which every counted call's name is appended; without KILL_AT nothing dies */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int opened, counted, ours[4096];

static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

static int inside(const char *path) {
    const char *folder = setting("KILL_FOLDER");
    return *folder && path && strstr(path, folder) != NULL;
}

/* Whether this call, the next that is counted, is the one to die at. */
static int last(const char *name) {
    static int log = -1;
    if (opened < atoi(setting("KILL_FROM"))) return 0;
    if (log < 0 && *setting("KILL_LOG")) {
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
        log = real(setting("KILL_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0666);
    }
    if (log >= 0) {
        ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
        real(log, name, strlen(name));
        real(log, "\n", 1);
    }
    return *setting("KILL_AT") && counted++ == atoi(setting("KILL_AT"));
}

static void die(void) { kill(getpid(), SIGKILL); }

static int open_as(const char *function, const char *path, int flags, mode_t mode) {
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, function);
    int creates = (flags & O_CREAT) && inside(path);
    if (creates && strstr(path, ".tmp")) opened++;
    if (creates && last("open")) die();
    int file = real(path, flags, mode);
    if (file >= 0 && file < 4096) ours[file] = inside(path) && (flags & (O_WRONLY | O_RDWR));
    return file;
}

#define OPEN(function)                                          \
    int function(const char *path, int flags, ...) {            \
        va_list rest;                                           \
        va_start(rest, flags);                                  \
        mode_t mode = flags & O_CREAT ? va_arg(rest, int) : 0;  \
        va_end(rest);                                           \
        return open_as(#function, path, flags, mode);           \
    }
OPEN(open)
OPEN(open64)

ssize_t write(int file, const void *data, size_t size) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    if (file >= 0 && file < 4096 && ours[file] && last("write")) {
        real(file, data, size / 2);
        die();
    }
    return real(file, data, size);
}

#define ON_FILE(function)                                                              \
    int function(int file) {                                                           \
        int (*real)(int) = dlsym(RTLD_NEXT, #function);                                \
        if (file >= 0 && file < 4096 && ours[file] && last(#function)) die();          \
        if (file >= 0 && file < 4096 && !strcmp(#function, "close")) ours[file] = 0;   \
        return real(file);                                                             \
    }
ON_FILE(fsync)
ON_FILE(close)

#define ON_PATH(function)                                        \
    int function(const char *path) {                             \
        int (*real)(const char *) = dlsym(RTLD_NEXT, #function); \
        if (inside(path) && last(#function)) die();              \
        return real(path);                                       \
    }
ON_PATH(unlink)

#define ON_PATHS(function)                                                     \
    int function(const char *from, const char *to) {                           \
        int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, #function); \
        if (inside(to) && last(#function)) die();                              \
        return real(from, to);                                                 \
    }
ON_PATHS(rename)
ON_PATHS(link)

int linkat(int one, const char *from, int other, const char *to, int flags) {
    int (*real)(int, const char *, int, const char *, int) = dlsym(RTLD_NEXT, "linkat");
    if (inside(to) && last("link")) die();
    return real(one, from, other, to, flags);
}

int mkdir(const char *path, mode_t mode) {
    int (*real)(const char *, mode_t) = dlsym(RTLD_NEXT, "mkdir");
    if (inside(path) && last("mkdir")) die();
    return real(path, mode);
}
