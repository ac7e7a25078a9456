/*
 * diagnosis: what is wrong with a document of another program, and what would be right.
 * The rules are those of store_adopt.h. It looks at one document alone; whether a new id
 * or username is free, the caller has to ask. Only store/ uses it.  Threads: any.
 */
#ifndef PL_STORE_MONGO_DIAGNOSIS_H
#define PL_STORE_MONGO_DIAGNOSIS_H

#include "store/mongo/documents.h"
#include "store/store_adopt.h"

struct pl_diagnosis {
	enum pl_adopt_of of;
	struct pl_diagnosis_fault {
		enum pl_adopt_field field;
		enum pl_adopt_fault fault;
		bool is_mended; /* by what follows */
	} faults[PL_ADOPT_FIELDS];
	size_t count;
	bool is_served;   /* as it is, but with another time than was meant */
	bool is_mendable; /* all of it */
	bool has_new_id;
	struct pl_oid new_id;
	bson_t set; /* the new values of other fields */
};

/* False if nothing is wrong; nothing is to fini then. */
bool pl_diagnosis_make(
    const bson_t *doc, enum pl_adopt_of of, struct pl_diagnosis *out) PL_MUST_CHECK;
void pl_diagnosis_fini(struct pl_diagnosis *s);
bool pl_diagnosis_has(
    const struct pl_diagnosis *s, enum pl_adopt_field field, enum pl_adopt_fault fault);
/* Another document has the new value of field: this one is no longer mendable. */
void pl_diagnosis_note_taken(struct pl_diagnosis *s, enum pl_adopt_field field);

/* Append doc, mended, to *out, which is empty. */
void pl_diagnosis_mend(const struct pl_diagnosis *s, const bson_t *doc, bson_t *out);
/* Append {field: its value in doc} to a selector. */
void pl_diagnosis_put_seen(bson_t *selector, const bson_t *doc, const char *field);
/* Append all that doc has, as far as a selector can ask for it. */
void pl_diagnosis_put_all_seen(bson_t *selector, const bson_t *doc);
/* Append a filter for all documents that pl_diagnosis_make() may complain of. */
void pl_diagnosis_put_filter(bson_t *filter, enum pl_adopt_of of);
/* The _id of doc for people: in one line, of at most some 100 bytes. */
void pl_diagnosis_show_id(const bson_t *doc, struct pl_buf *out);

#endif
