/*
 * The documents of the benchmark: documents N NIGHT [shuffled]. Writes them as the .json of a dump
 * archive, about 650 bytes each, with UUIDs for keys, in the order of these as rethinkdb dump does,
 * which reads tables by order_by(index=primary key), or in none. The same arguments give the same
 * bytes. In each night after the first, one document of a hundred has other contents than in the
 * night before.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHANGED 100 /* one document in so many changes from night to night */
#define SEED 1

/* What a key is made of; the bits that are not in its text are 0, so that both sort alike. */
struct id {
	uint64_t high, low;
	uint64_t number; /* of the document */
};

static const char *const words[] = {"amber", "anchor", "basket", "beacon", "candle", "carbon",
    "cedar", "copper", "cotton", "dagger", "desert", "ember", "falcon", "fabric", "garden",
    "ginger", "granite", "harbor", "hazel", "island", "ivory", "jasmine", "juniper", "kernel",
    "kettle", "lantern", "lemon", "linen", "marble", "meadow", "mirror", "nectar", "nickel",
    "oasis", "olive", "orchid", "paper", "pebble", "pepper", "quartz", "quill", "raven", "ribbon",
    "saddle", "saffron", "silver", "tiger", "timber", "tulip", "umber", "valley", "velvet",
    "walnut", "willow", "yarrow", "zephyr", "zinc", "zither", "birch", "comet", "drift", "flint",
    "grove", "heron"};
static const char *const cities[] = {
    "Lisbon", "Oslo", "Porto", "Quito", "Riga", "Seoul", "Turin", "Utrecht"};
static const char *const states[] = {"placed", "paid", "packed", "sent", "delivered", "returned"};

static uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* How often document ${i} has changed until ${night}. */
static uint64_t
changes(uint64_t seed, uint64_t i, uint64_t night)
{
	uint64_t n = 0;

	for (uint64_t k = 1; k <= night; k++)
		n += mix(mix(seed ^ i) ^ k) % CHANGED == 0;
	return n;
}

static const char *
word(uint64_t *state)
{
	*state = mix(*state);
	return words[*state % (sizeof(words) / sizeof(words[0]))];
}

static uint64_t
number(uint64_t *state, uint64_t below)
{
	*state = mix(*state);
	return *state % below;
}

static struct id
id_of(uint64_t seed, uint64_t i)
{
	return (struct id){.high = mix(seed + 2 * i) & ~(UINT64_C(0xf) << 12),
	    .low = mix(seed + 2 * i + 1) & ~(UINT64_C(0xf) << 48),
	    .number = i};
}

static int
id_compare(const void *a, const void *b)
{
	const struct id *x = a, *y = b;

	if (x->high != y->high)
		return x->high < y->high ? -1 : 1;
	return (x->low > y->low) - (x->low < y->low);
}

static void
document(uint64_t seed, const struct id *id, uint64_t night)
{
	uint64_t a = id->high, b = id->low;
	uint64_t s = mix(a ^ mix(changes(seed, id->number, night)));
	uint64_t lines = 2 + number(&s, 3), text = 14 + number(&s, 14);

	printf("{\"address\": {\"city\": \"%s\", \"street\": \"%s %s %" PRIu64
	       "\", \"zip\": \"%05" PRIu64 "\"}, ",
	    cities[number(&s, 8)], word(&s), word(&s), number(&s, 200), number(&s, 100000));
	printf("\"created\": {\"$reql_type$\": \"TIME\", \"epoch_time\": %" PRIu64 ".%03" PRIu64
	       ", \"timezone\": \"+00:00\"}, ",
	    1700000000 + number(&s, 60000000), number(&s, 999) + 1);
	printf("\"customer\": %" PRIu64 ", \"email\": \"%s.%s@example.com\", ", number(&s, 500000),
	    word(&s), word(&s));
	printf("\"id\": \"%08" PRIx64 "-%04" PRIx64 "-4%03" PRIx64 "-a%03" PRIx64 "-%012" PRIx64
	       "\", \"lines\": [",
	    a >> 32, a >> 16 & 0xffff, a & 0xfff, b >> 52, b & 0xffffffffffff);
	for (uint64_t k = 0; k < lines; k++)
		printf("%s{\"price\": %" PRIu64 ".%02" PRIu64 ", \"quantity\": %" PRIu64
		       ", \"sku\": \"SKU-%06" PRIu64 "\"}",
		    k > 0 ? ", " : "", number(&s, 900) + 1, number(&s, 99) + 1, number(&s, 9) + 1,
		    number(&s, 1000000));
	printf("], \"note\": \"%s", word(&s));
	for (uint64_t k = 0; k < text; k++)
		printf(" %s", word(&s));
	printf("\", \"paid\": %s, \"state\": \"%s\", \"weight\": %.6g}",
	    number(&s, 2) != 0 ? "true" : "false", states[number(&s, 6)],
	    (double)number(&s, 1000000) / 997.0 + 0.5);
}

/* The keys of ${n} documents; NULL when out of memory. */
static struct id *
ids_of(uint64_t seed, uint64_t n, bool shuffled)
{
	struct id *ids = calloc(n > 0 ? n : 1, sizeof(*ids));

	if (ids == NULL)
		return NULL;
	for (uint64_t i = 0; i < n; i++)
		ids[i] = id_of(seed, i);
	if (!shuffled)
		qsort(ids, n, sizeof(*ids), id_compare);
	return ids;
}

int
main(int argc, char **argv)
{
	bool shuffled = argc == 4 && strcmp(argv[3], "shuffled") == 0;
	uint64_t n, night, seed = mix(SEED);
	struct id *ids;

	if (argc != 3 && !shuffled) {
		fprintf(stderr, "documents: N NIGHT [shuffled]\n");
		return 2;
	}
	n = strtoull(argv[1], NULL, 10);
	night = strtoull(argv[2], NULL, 10);
	ids = ids_of(seed, n, shuffled);
	if (ids == NULL) {
		perror("documents");
		return 1;
	}
	printf("[");
	for (uint64_t i = 0; i < n; i++) {
		printf(i > 0 ? ",\n" : "\n");
		document(seed, &ids[i], night);
	}
	printf("\n]\n");
	free(ids);
	if (fclose(stdout) != 0) {
		perror("documents");
		return 1;
	}
	return 0;
}
