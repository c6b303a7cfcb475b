# thinkback: RethinkDB backups that people can ls, cat, cp and rsync.
#
#   make demo      install what is missing, build, show the main job from archives to a restore
#   make test      install what is missing, run every check and test (this is what CI calls)
#
#   make           build build/thinkback
#   make check     unit tests, fuzz corpus, command and mount tests of this build, nothing installed
#   make check-unit | check-fuzz | check-cli | check-mount | check-crash    one kind of them
#   make check-valgrind        unit tests under valgrind; slow ones only when T names them
#   make crash      kill, fail and cut the power at every single call, not at a sample of them
#   make check-includes | check-headers | check-style | check-man | check-shell
#   make check-cppcheck | check-analyzer | check-tidy     what cppcheck, gcc and clang-tidy see
#   make bench     measure reading and taking snapshots, beside other file systems (N, BENCH)
#   make fuzz TIME=60          run the fuzzers, seconds for each target (clang)
#   make install | uninstall   honours PREFIX, DESTDIR, SYSCONFDIR, UNITDIR
#   make format    clang-format every source in place
#   make clean
#
# Knobs: CC, CFLAGS, LDFLAGS (yours, never overwritten), DEVELOPER=1 (-Werror), V=1 (show commands),
#        SAN=asan | tsan (a sanitizer build in a directory of its own), T=GLOB (run only some tests)
#        N (documents of the benchmark), BENCH='--large --huge --rounds R ...' (see tests/bench/run -h)

VERSION = 0.1.0

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
BINDIR = $(PREFIX)/bin
MANDIR = $(PREFIX)/share/man
DOCDIR = $(PREFIX)/share/doc/thinkback
UNITDIR ?= $(PREFIX)/lib/systemd/system
SBINDIR = $(PREFIX)/sbin

CFLAGS ?= -O2 -g
SAN ?=
TIME ?= 60
N ?= 100000
BENCH ?=
T ?=

PACKAGES = fuse3 sqlite3 libzstd libarchive zlib libcrypto libssl
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)

# "CC file" instead of the whole command, unless V=1.
say = $(if $(V),,@printf '  %-4s %s\n' $(1) $@;)

WARN = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wvla -Wold-style-definition -Wformat=2 -Wundef -Wpointer-arith -Wwrite-strings \
	-Wcast-qual -Wimplicit-fallthrough
ifeq ($(DEVELOPER),1)
WARN += -Werror
endif

B = build/$(if $(SAN),$(SAN),default)$(if $(filter clang%,$(notdir $(CC))),-clang)
HARDEN = -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2
HARDEN_LD = -pie -Wl,-z,relro,-z,now
ifeq ($(SAN),asan)
HARDEN = -fPIE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HARDEN_LD = -pie -fsanitize=address,undefined
endif
ifeq ($(SAN),tsan)
HARDEN = -fPIE -fsanitize=thread -fno-omit-frame-pointer
HARDEN_LD = -pie -fsanitize=thread
endif

ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DFUSE_USE_VERSION=314 \
	-DTHINKBACK_VERSION='"$(VERSION)"' -I. $(WARN) $(HARDEN) $(PKG_CFLAGS) -pthread -MMD -MP $(CFLAGS)
ALL_LDFLAGS = $(HARDEN_LD) -pthread $(LDFLAGS)

CATALOG_SRC = $(wildcard catalog/base/*.c catalog/*.c)
SNAPSHOT_SRC = $(wildcard snapshot/*/*.c snapshot/*.c)
FS_SRC = $(wildcard fs/*.c)
obj = $(patsubst %.c,$(B)/%.o,$(1))

LIB_CATALOG = $(B)/libcatalog.a
LIB_SNAPSHOT = $(B)/libsnapshot.a
LIB_FS = $(B)/libfs.a
LIBS = $(LIB_FS) $(LIB_SNAPSHOT) $(LIB_CATALOG)

all: $(B)/thinkback

$(LIB_CATALOG): $(call obj,$(CATALOG_SRC))
$(LIB_SNAPSHOT): $(call obj,$(SNAPSHOT_SRC))
$(LIB_FS): $(call obj,$(FS_SRC))
$(LIBS):
	@rm -f $@
	$(call say,AR)$(AR) rcs $@ $^

$(B)/thinkback: $(B)/thinkback.o $(LIBS)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm

$(B)/%.o: %.c
	@mkdir -p $(dir $@)
	$(call say,CC)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# ---- tests -------------------------------------------------------------------------------------

UNIT_SRC = $(wildcard tests/catalog/test_*.c tests/snapshot/test_*.c tests/fs/test_*.c)
UNIT = $(patsubst tests/%.c,$(B)/tests/%,$(UNIT_SRC))
SUPPORT = $(call obj,$(wildcard tests/support/*.c))
FUZZ_SRC = $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_REPLAY = $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%-replay,$(FUZZ_SRC))
HELPERS = $(patsubst tests/mount/%.c,$(B)/tests/mount/%,$(wildcard tests/mount/*.c))
LIVE = $(patsubst tests/live/%.c,$(B)/tests/live/%,$(wildcard tests/live/*.c))
CRASH = $(B)/tests/crash/shim.so $(B)/tests/crash/replay

$(UNIT): $(B)/tests/%: $(B)/tests/%.o $(SUPPORT) $(LIBS)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lcmocka -lm

$(FUZZ_REPLAY): $(B)/tests/fuzz/%-replay: $(B)/tests/fuzz/%.o $(B)/tests/fuzz/replay.o $(LIBS)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm

$(HELPERS): $(B)/tests/mount/%: $(B)/tests/mount/%.o
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^

BENCH_TOOLS = $(patsubst tests/bench/%.c,$(B)/tests/bench/%,$(wildcard tests/bench/*.c))
$(BENCH_TOOLS): $(B)/tests/bench/%: $(B)/tests/bench/%.o
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(LIVE): $(B)/tests/live/%: $(B)/tests/live/%.o $(LIBS)
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm

$(B)/tests/crash/replay: $(B)/tests/crash/replay.o
	$(call say,LD)$(CC) $(ALL_LDFLAGS) -o $@ $^

# It goes in front of libc in a process of its own: no sanitizer, and not position-independent as a
# program is.
$(B)/tests/crash/shim.so: tests/crash/shim.c
	@mkdir -p $(dir $@)
	$(call say,LD)$(CC) -std=c11 -D_GNU_SOURCE $(WARN) $(CFLAGS) -fPIC -shared -pthread -o $@ $<

RUN = THINKBACK=$(abspath $(B))/thinkback BUILD=$(abspath $(B)) T='$(T)' tests/run

# A sanitizer puts itself in front of libc, as the crash sweeps do: they are for plain builds.
check: $(B)/thinkback $(UNIT) $(FUZZ_REPLAY) $(HELPERS) $(BENCH_TOOLS) $(if $(SAN),,$(CRASH))
	$(RUN) unit fuzz cli mount $(if $(SAN),,crash)
check-unit: $(UNIT)
	$(RUN) unit
check-valgrind: $(UNIT)
	$(RUN) valgrind
check-fuzz: $(FUZZ_REPLAY)
	$(RUN) fuzz
check-cli: $(B)/thinkback
	$(RUN) cli
check-mount: $(B)/thinkback $(HELPERS) $(BENCH_TOOLS)
	$(RUN) mount
check-crash: $(B)/thinkback $(CRASH)
	$(RUN) crash
crash: $(B)/thinkback $(CRASH)
	THINKBACK_CRASH=full SCRIPT_TIMEOUT=7200 $(RUN) crash
build-tests: $(B)/thinkback $(UNIT) $(FUZZ_REPLAY) $(HELPERS) $(BENCH_TOOLS) $(LIVE) $(if $(SAN),,$(CRASH))

check-includes:
	tests/check-includes
check-headers:
	CC='$(CC)' FLAGS='$(filter-out -MMD -MP,$(ALL_CFLAGS))' tests/check-headers
check-style:
	tests/check-style
check-man:
	tests/check-man
check-shell:
	tests/check-shell
check-cppcheck:
	cppcheck --std=c11 --language=c --enable=warning,performance,portability --inline-suppr \
		--error-exitcode=1 -q -j2 -I. thinkback.c catalog snapshot fs
check-analyzer:
	$(MAKE) -j$$(nproc) B=build/analyzer CC=gcc CFLAGS='-O1 -fanalyzer' DEVELOPER=1 all
check-tidy:
	FLAGS='$(filter-out -M% -W% -f% -D_FORTIFY% -DTHINKBACK%,$(ALL_CFLAGS))' tests/check-tidy

fuzz:
	tests/fuzz/run $(TIME)

bench:
	tests/install-deps bench
	$(MAKE) all bench-tools
	tests/bench/run -n $(N) --build $(abspath $(B)) $(BENCH)
bench-tools: $(BENCH_TOOLS)

deps:
	tests/install-deps

demo:
	tests/install-deps demo
	$(MAKE) all
	THINKBACK=$(abspath $(B))/thinkback tests/demo

test:
	tests/install-deps test
	tests/all

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf build

install: all
	PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' BINDIR='$(BINDIR)' MANDIR='$(MANDIR)' \
	DOCDIR='$(DOCDIR)' SBINDIR='$(SBINDIR)' UNITDIR='$(UNITDIR)' SYSCONFDIR='$(SYSCONFDIR)' \
	BINARY='$(B)/thinkback' fs/install install
uninstall:
	PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' BINDIR='$(BINDIR)' MANDIR='$(MANDIR)' \
	DOCDIR='$(DOCDIR)' SBINDIR='$(SBINDIR)' UNITDIR='$(UNITDIR)' SYSCONFDIR='$(SYSCONFDIR)' \
	fs/install uninstall

.PHONY: all check check-unit check-valgrind check-fuzz check-cli check-mount check-crash crash build-tests \
	check-includes check-headers check-style check-man check-shell check-cppcheck check-analyzer check-tidy \
	fuzz bench bench-tools deps demo test format clean install uninstall
.SECONDARY:

-include $(shell find build -name '*.d' 2>/dev/null)
