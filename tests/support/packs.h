/*
 * Packs for tests: a directory packs/ to write them in, documents and keys that can be made again
 * from a number, and packs put together by hand that lie with correct checksums.
 */
#ifndef THINKBACK_TESTS_PACKS_H
#define THINKBACK_TESTS_PACKS_H

#include "catalog/base/buf.h"
#include "snapshot/store/dictionary.h"
#include "snapshot/store/pack.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A directory of packs. */
struct packs {
	char *dir;               /* packs/ itself, owned */
	int fd;                  /* of dir */
	struct dictionary *dict; /* number PACKS_DICTIONARY, when packs_dictionary was called */
};

#define PACKS_DICTIONARY 5 /* number of the dictionary that packs_dictionary makes */

/* What packs_write is to write. */
struct packs_plan {
	uint64_t id;      /* of the pack */
	uint32_t lines;   /* of the index */
	uint32_t deleted; /* one line in so many is a deletion; 0: none */
	size_t most;      /* bytes of the largest document */
	bool dict;        /* with the dictionary */
	uint32_t skipped; /* before one line in 10 so many ordinals are left out */
};

/* packs_setup(state), packs_teardown(state): fixtures whose state is a struct packs. */
int packs_setup(void **state);
int packs_teardown(void **state);

/* packs_random(state): the next of a fixed sequence of random numbers. */
uint64_t packs_random(uint64_t *state);

/* packs_key(n): the key of line ${n}; keys grow with n. */
struct key packs_key(uint32_t n);

/* packs_deleted(plan, n): whether line ${n} is a deletion. */
bool packs_deleted(const struct packs_plan *plan, uint32_t n);

/* packs_skipped(plan, n): ordinals that are left out before line ${n}. */
uint32_t packs_skipped(const struct packs_plan *plan, uint32_t n);

/* packs_document(plan, n, out): replace ${out} by the document of line ${n}. */
void packs_document(const struct packs_plan *plan, uint32_t n, struct buf *out);

/* packs_meta(plan, meta): fill ${meta}, to be given to pack_meta_finish. */
void packs_meta(const struct packs_plan *plan, struct pack_meta *meta);

/* packs_dictionary(p): train, save and open the dictionary of ${p}. */
void packs_dictionary(struct packs *p);

/* packs_write(p, plan, totals): write a pack; fails the test when that fails. */
void packs_write(const struct packs *p, const struct packs_plan *plan, struct pack_totals *totals);

/* A pack being compared with its plan. */
struct reading {
	const struct packs *p;
	const struct packs_plan *plan;
	struct pack *pack;
	struct pack_reader *reader;
	struct digest *digest;
	struct buf frame;    /* the frame read last */
	bool has_frame;      /* it holds one; the next two tell which */
	uint64_t number;     /* of the frame in the pack */
	uint32_t first;      /* its first ordinal */
	struct buf document; /* what should be there */
	unsigned refused;    /* calls that said ERR_CORRUPT, allowed only with damaged */
	bool damaged;        /* the file was damaged on purpose */
};

/*
 * reading_open(r, p, plan, damaged): open the pack of ${plan}, to be given to reading_close when
 * that is ERR_OK, which is returned otherwise. With ${damaged} reading may say ERR_CORRUPT.
 */
int
reading_open(struct reading *r, const struct packs *p, const struct packs_plan *plan, bool damaged);

/* reading_close(r): close it. */
void reading_close(struct reading *r);

/* reading_compare(r): every line by walking, every document by its ordinal, both ways: fails the
 * test when one is not as the plan says. */
void reading_compare(struct reading *r);

/* packs_path(p, id, suffix, out): the path of a file: "pack" or "dict". Returns ${out}. */
const char *packs_path(const struct packs *p, uint64_t id, const char *suffix, char out[4096]);

/* packs_files(p): files and directories below packs/. */
unsigned packs_files(const struct packs *p);

#endif
