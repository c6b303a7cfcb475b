/* What a process gives up: the contracts are in sandbox.h. */
#include "catalog/base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A sanitizer reads maps and debug information and looks for leaks as a debugger of itself. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANDBOX_SANITIZER 1
#endif
#endif
#ifndef SANDBOX_SANITIZER
#define SANDBOX_SANITIZER 0
#endif

/* ---- files: Landlock, include/uapi/linux/landlock.h ---- */

/* What headers older than the kernel do not have. */
#define FILES_TRUNCATE (1ULL << 14)   /* LANDLOCK_ACCESS_FS_TRUNCATE, from version 3 */
#define FILES_IOCTL_DEV (1ULL << 15)  /* LANDLOCK_ACCESS_FS_IOCTL_DEV, from version 5 */
#define FILES_TCP (3ULL)              /* LANDLOCK_ACCESS_NET_BIND_TCP and _CONNECT_TCP, from 4 */
#define FILES_SCOPES (3ULL)           /* LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and _SIGNAL, from 6 */
#define FILES_OF_1 ((1ULL << 13) - 1) /* all of version 1 */
#define FILES_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FILES_WRITE (LANDLOCK_ACCESS_FS_WRITE_FILE | FILES_TRUNCATE)
#define FILES_MAKE                                                                                 \
	(LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR |                               \
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                       \
	    LANDLOCK_ACCESS_FS_REFER)
/* Those that mean something for what is no directory. */
#define FILES_OF_FILE (FILES_WRITE | LANDLOCK_ACCESS_FS_READ_FILE)

/* The kernel's struct landlock_ruleset_attr, of version 6. Zeros are well for all before it. */
struct sandbox_ruleset {
	uint64_t files;
	uint64_t network;
	uint64_t scopes;
};

static struct sandbox_ruleset
files_ruleset(const struct sandbox *s, long version)
{
	struct sandbox_ruleset r = {.files = FILES_OF_1};

	if (version >= 2)
		r.files |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		r.files |= FILES_TRUNCATE;
	if (version >= 4 && !s->network)
		r.network = FILES_TCP;
	if (version >= 5)
		r.files |= FILES_IOCTL_DEV;
	if (version >= 6)
		r.scopes = FILES_SCOPES;
	if (s->read_all || SANDBOX_SANITIZER)
		r.files &= ~(uint64_t)FILES_READ;
	return r;
}

/* The kernel refuses rights for a file that only a directory can have. (It is not asked what this
 * is: the mount that this process is to serve would not answer.) */
static bool
files_add(int rules, struct landlock_path_beneath_attr *below)
{
	const unsigned type = LANDLOCK_RULE_PATH_BENEATH;

	if (below->allowed_access == 0 ||
	    syscall(SYS_landlock_add_rule, rules, type, below, 0) == 0)
		return true;
	below->allowed_access &= FILES_OF_FILE;
	return errno == EINVAL && (below->allowed_access == 0 ||
				      syscall(SYS_landlock_add_rule, rules, type, below, 0) == 0);
}

/* Allow what ${p} says, of what is ${handled} at all. */
static int
files_allow(int rules, const struct sandbox_path *p, uint64_t handled, struct err *e)
{
	struct landlock_path_beneath_attr below = {
	    .parent_fd = openat(p->dirfd, p->path, O_PATH | O_CLOEXEC)};
	int rc = ERR_OK;

	if (below.parent_fd < 0)
		return errno == ENOENT || errno == ENOTDIR
			   ? ERR_OK
			   : err_system(e, errno, "cannot open %s", p->path);
	if ((p->access & SANDBOX_READ) != 0)
		below.allowed_access |= FILES_READ;
	if ((p->access & SANDBOX_WRITE) != 0)
		below.allowed_access |= FILES_WRITE;
	if ((p->access & SANDBOX_MAKE) != 0)
		below.allowed_access |= FILES_MAKE;
	below.allowed_access &= handled;
	if (!files_add(rules, &below))
		rc = err_system(e, errno, "cannot make a Landlock rule for %s", p->path);
	close(below.parent_fd);
	return rc;
}

/* Sets ${up} to whether the kernel has Landlock. */
static int
files_enter(const struct sandbox *s, bool *up, struct err *e)
{
	long version =
	    syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct sandbox_ruleset ruleset = files_ruleset(s, version);
	int rules;
	int rc = ERR_OK;

	*up = false;
	if (version < 1)
		return ERR_OK;
	rules = (int)syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0);
	if (rules < 0)
		return err_system(e, errno, "cannot make Landlock rules");
	for (size_t i = 0; i < s->n_paths && rc == ERR_OK; i++)
		rc = files_allow(rules, &s->paths[i], ruleset.files, e);
	if (rc == ERR_OK && syscall(SYS_landlock_restrict_self, rules, 0) != 0)
		rc = err_system(e, errno, "cannot put Landlock rules in force");
	close(rules);
	*up = rc == ERR_OK;
	return rc;
}

/* ---- system calls: seccomp, include/uapi/linux/seccomp.h ---- */

#if defined(__x86_64__)
#define CALLS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define CALLS_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define CALLS_ARCH AUDIT_ARCH_RISCV64
#endif

#define CALLS_X32 0x40000000u /* the bit of x86's third set of system calls */
#define CALLS_REFUSE (SECCOMP_RET_ERRNO | EPERM)
#define CALLS_ROOM 256 /* instructions */

/* Where an argument's lower half stands; all of these are little-endian. */
#define CALLS_ARGUMENT(i) ((uint32_t)(offsetof(struct seccomp_data, args) + (i) * sizeof(uint64_t)))

/* What neither a mount nor a worker ever calls: the ways to other programs, other processes, other
 * views of the system, and around the walls themselves (io_uring makes sockets without socket(2)).
 */
static const uint32_t calls_never[] = {
    SYS_execve,
    SYS_execveat,
#if !SANDBOX_SANITIZER
    SYS_ptrace,
#endif
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_open_by_handle_at,
    SYS_unshare,
    SYS_setns,
    SYS_fchmod,
    SYS_fchmodat,
    SYS_fchown,
    SYS_fchownat,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SYS_fremovexattr,
#ifdef SYS_chmod /* older processors */
    SYS_chmod,
    SYS_chown,
    SYS_lchown,
#endif
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_quotactl,
    SYS_acct,
};

/* A filter that is being written. */
struct sandbox_program {
	struct sock_filter code[CALLS_ROOM];
	unsigned short len;
};

static void
calls_add(struct sandbox_program *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
	if (p->len < CALLS_ROOM)
		p->code[p->len++] = (struct sock_filter){code, yes, no, k};
}

/* Refuse when the value loaded is ${k}. */
static void
calls_refuse_if(struct sandbox_program *p, uint32_t k)
{
	calls_add(p, BPF_JMP | BPF_JEQ | BPF_K, k, 0, 1);
	calls_add(p, BPF_RET | BPF_K, CALLS_REFUSE, 0, 0);
}

/* Refuse when the value loaded is not ${k}. */
static void
calls_refuse_unless(struct sandbox_program *p, uint32_t k)
{
	calls_add(p, BPF_JMP | BPF_JEQ | BPF_K, k, 1, 0);
	calls_add(p, BPF_RET | BPF_K, CALLS_REFUSE, 0, 0);
}

static void
calls_load(struct sandbox_program *p, size_t at)
{
	calls_add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)at, 0, 0);
}

#ifdef CALLS_ARCH
/* The number of the call is loaded; nothing looks at it behind this. */
static void
calls_sockets(struct sandbox_program *p, bool syslog)
{
	calls_refuse_if(p, SYS_socketpair);
	if (!syslog) {
		calls_refuse_if(p, SYS_socket);
		return;
	}
	/* Every call but socket goes on behind the seven instructions on its arguments. */
	calls_add(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 7);
	calls_load(p, CALLS_ARGUMENT(0));
	calls_refuse_unless(p, 1); /* AF_UNIX */
	calls_load(p, CALLS_ARGUMENT(1));
	calls_add(p, BPF_ALU | BPF_AND | BPF_K, 0xf, 0, 0);
	calls_refuse_unless(p, 2); /* SOCK_DGRAM */
}

static void
calls_write(struct sandbox_program *p, const struct sandbox *s)
{
	p->len = 0;
	calls_load(p, offsetof(struct seccomp_data, arch));
	calls_refuse_unless(p, CALLS_ARCH);
	calls_load(p, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
	calls_add(p, BPF_JMP | BPF_JGE | BPF_K, CALLS_X32, 0, 1);
	calls_add(p, BPF_RET | BPF_K, CALLS_REFUSE, 0, 0);
#endif
	for (size_t i = 0; i < sizeof(calls_never) / sizeof(calls_never[0]); i++)
		calls_refuse_if(p, calls_never[i]);
	if (!s->network)
		calls_sockets(p, s->syslog);
	calls_add(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
}

/* The flag: a filter need not cost the slower code that keeps programs of strangers apart. */
static int
calls_enter(const struct sandbox *s, bool *up, struct err *e)
{
	struct sandbox_program program;
	struct sock_fprog filter = {.filter = program.code};
	long failed;

	*up = false;
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
		return ERR_OK;
	calls_write(&program, s);
	filter.len = program.len;
	failed =
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &filter);
	if (failed != 0)
		return errno == ENOSYS || errno == EINVAL
			   ? ERR_OK
			   : err_system(e, errno, "cannot filter system calls");
	*up = true;
	return ERR_OK;
}
#else
static int
calls_enter(const struct sandbox *s, bool *up, struct err *e)
{
	(void)s, (void)e;
	*up = false;
	return ERR_OK;
}
#endif

/* ---- capabilities(7) ---- */

/* What is given up comes back by no program: no_new_privs is set. */
static int
sandbox_drop_capabilities(struct err *e)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	const uint32_t kept = (1u << CAP_DAC_OVERRIDE) | (1u << CAP_DAC_READ_SEARCH);

	if (syscall(SYS_capget, &header, data) != 0)
		return err_system(e, errno, "cannot get the capabilities");
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		uint32_t mask = i == 0 ? kept : 0;
		data[i].permitted &= mask;
		data[i].effective &= mask;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, data) != 0)
		return err_system(e, errno, "cannot give up capabilities");
	return ERR_OK;
}

int
sandbox_enter(const struct sandbox *s, unsigned *walls, struct err *e)
{
	bool files, calls;
	int rc;

	*walls = 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_system(e, errno, "cannot give up new privileges");
	rc = files_enter(s, &files, e);
	if (rc == ERR_OK)
		rc = sandbox_drop_capabilities(e);
	if (rc == ERR_OK)
		rc = calls_enter(s, &calls, e);
	if (rc != ERR_OK)
		return rc;
	*walls = (files ? SANDBOX_FILES : 0u) | (calls ? SANDBOX_CALLS : 0u);
	return ERR_OK;
}

void
sandbox_guard_memory(void)
{
	const struct rlimit none = {0, 0};

	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
}
