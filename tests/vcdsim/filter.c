/* SPDX-License-Identifier: MIT */
#include "tests/vcdsim/filter.h"

#include "common/json.h"
#include "common/str.h"

#include <string.h>
#include <strings.h>

enum { DEPTH_MAX = 16 };

enum filter_kind { NODE_COMPARE, NODE_AND, NODE_OR };
enum filter_op { OP_EQ, OP_NE, OP_LT, OP_GT, OP_LE, OP_GE };

struct node {
	enum filter_kind kind;
	enum filter_op op;
	const char *key, *value;
	bool open_start, open_end; /* the value began or ended with `*` */
	struct node *first, *next; /* children; the next sibling */
	struct node *next_compare; /* all comparisons, in the order of the text */
};

struct filter {
	struct node *root, *compares;
};

struct parser {
	struct arena *arena;
	const char *text, *at;
	struct node **tail; /* of the list of comparisons */
	struct error *err;
	int depth;
};

static const struct {
	const char *text;
	enum filter_op op;
} operators[] = {
	{"==", OP_EQ},
	{"!=", OP_NE},
	{"=lt=", OP_LT},
	{"=gt=", OP_GT},
	{"=le=", OP_LE},
	{"=ge=", OP_GE},
};

static struct node *parse_list(struct parser *parser);

static struct node *mistake(struct parser *parser, const char *what)
{
	error_set(parser->err, ERR_INVALID, "Invalid filter: %s at character %zu of '%s'", what,
		(size_t)(parser->at - parser->text) + 1, parser->text);
	return NULL;
}

static bool read_operator(struct parser *parser, enum filter_op *op)
{
	for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
		if (str_starts(parser->at, operators[i].text)) {
			*op = operators[i].op;
			parser->at += strlen(operators[i].text);
			return true;
		}
	}
	return false;
}

/* Takes the escapes out of a value and notes the wildcards at its ends. */
static bool read_value(struct parser *parser, struct node *node)
{
	char *out = arena_alloc(parser->arena, strlen(parser->at) + 1);
	size_t len = 0;

	node->value = out;
	if (*parser->at == '*') {
		node->open_start = true;
		parser->at++;
	}
	for (; *parser->at && !strchr("(),;", *parser->at); parser->at++) {
		if (*parser->at == '*' && (!parser->at[1] || strchr("(),;", parser->at[1]))) {
			node->open_end = true;
			continue;
		}
		if (*parser->at == '\\' && parser->at[1])
			parser->at++;
		out[len++] = *parser->at;
	}
	return len > 0 || node->open_start || node->open_end;
}

static struct node *parse_compare(struct parser *parser)
{
	struct node *node = arena_alloc(parser->arena, sizeof(*node));
	size_t len = strcspn(parser->at, "=!(),;");

	if (len == 0)
		return mistake(parser, "a key is missing");
	node->key = arena_strndup(parser->arena, parser->at, len);
	parser->at += len;
	if (!read_operator(parser, &node->op))
		return mistake(parser, "an operator is missing");
	if (!read_value(parser, node))
		return mistake(parser, "a value is missing");
	*parser->tail = node;
	parser->tail = &node->next_compare;
	return node;
}

static struct node *parse_term(struct parser *parser)
{
	struct node *node;

	if (*parser->at != '(')
		return parse_compare(parser);
	if (++parser->depth > DEPTH_MAX)
		return mistake(parser, "too many parentheses");
	parser->at++;
	node = parse_list(parser);
	if (!node)
		return NULL;
	if (*parser->at != ')')
		return mistake(parser, "a parenthesis is open");
	parser->at++;
	parser->depth--;
	return node;
}

static struct node *parse_list(struct parser *parser)
{
	struct node *list = arena_alloc(parser->arena, sizeof(*list));
	struct node **tail = &list->first;
	char separator = '\0';

	for (;;) {
		*tail = parse_term(parser);
		if (!*tail)
			return NULL;
		tail = &(*tail)->next;
		if (*parser->at != ';' && *parser->at != ',')
			break;
		if (separator && *parser->at != separator)
			return mistake(parser, "AND and OR need parentheses");
		separator = *parser->at++;
	}
	list->kind = separator == ',' ? NODE_OR : NODE_AND;
	return list;
}

struct filter *filter_parse(struct arena *arena, const char *text, struct error *err)
{
	struct filter *filter = arena_alloc(arena, sizeof(*filter));
	struct parser parser = {
		.arena = arena, .text = text, .at = text, .tail = &filter->compares, .err = err};

	filter->root = parse_list(&parser);
	if (filter->root && *parser.at)
		filter->root = mistake(&parser, "unexpected text");
	return filter->root ? filter : NULL;
}

const char *filter_key(const struct filter *filter, size_t index)
{
	const struct node *node = filter ? filter->compares : NULL;

	while (node && index-- > 0)
		node = node->next_compare;
	return node ? node->key : NULL;
}

static bool text_matches(const struct node *node, const char *value)
{
	size_t len = strlen(value), want = strlen(node->value);

	if (len < want)
		return false;
	if (!node->open_start)
		return strncasecmp(value, node->value, want) == 0 &&
		       (node->open_end || len == want);
	if (!node->open_end)
		return strcasecmp(value + len - want, node->value) == 0;
	for (size_t at = 0; at + want <= len; at++) {
		if (strncasecmp(value + at, node->value, want) == 0)
			return true;
	}
	return false;
}

/* Below, at or above zero; numbers as numbers, all else (dates too) as text. */
static int order(const char *value, const char *wanted)
{
	int64_t a, b;

	if (str_to_int(value, INT64_MIN, INT64_MAX, &a) &&
		str_to_int(wanted, INT64_MIN, INT64_MAX, &b))
		return (a > b) - (a < b);
	return strcasecmp(value, wanted);
}

static bool compare(const struct node *node, void *object, filter_value_fn *value_of)
{
	const char *value = value_of(object, node->key);

	if (node->op == OP_NE)
		return !value || !text_matches(node, value);
	if (!value)
		return false;
	switch (node->op) {
	case OP_EQ:
		return text_matches(node, value);
	case OP_LT:
		return order(value, node->value) < 0;
	case OP_GT:
		return order(value, node->value) > 0;
	case OP_LE:
		return order(value, node->value) <= 0;
	case OP_GE:
		return order(value, node->value) >= 0;
	case OP_NE:
		break;
	}
	return false;
}

static bool node_match(const struct node *node, void *object, filter_value_fn *value_of)
{
	if (node->kind == NODE_COMPARE)
		return compare(node, object, value_of);
	for (const struct node *child = node->first; child; child = child->next) {
		if (node_match(child, object, value_of) == (node->kind == NODE_OR))
			return node->kind == NODE_OR;
	}
	return node->kind == NODE_AND;
}

bool filter_match(const struct filter *filter, void *object, filter_value_fn *value_of)
{
	return !filter || node_match(filter->root, object, value_of);
}

static const char *node_demands(const struct node *node, const char *key)
{
	if (node->kind == NODE_COMPARE) {
		bool exact = node->op == OP_EQ && !node->open_start && !node->open_end;

		return exact && str_eq(node->key, key) ? node->value : NULL;
	}
	if (node->kind == NODE_OR)
		return NULL;
	for (const struct node *child = node->first; child; child = child->next) {
		const char *value = node_demands(child, key);

		if (value)
			return value;
	}
	return NULL;
}

const char *filter_demands(const struct filter *filter, const char *key)
{
	return filter ? node_demands(filter->root, key) : NULL;
}

const char *filter_json_value(void *object, const char *key)
{
	struct json_object *value = json_at(object, key);

	return value ? json_object_get_string(value) : NULL;
}
