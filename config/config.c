/* SPDX-License-Identifier: MIT */
#include "config/config.h"

#include "common/mem.h"
#include "common/str.h"
#include "common/yaml.h"
#include "config/check.h"
#include "config/params.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENVIRONMENT_PREFIX "CSE_WORKER_"

enum { FILE_MAX_BYTES = 256 * 1024, ITEMS_MAX = 64, TYPO_MAX = 3, KEY_MAX_CHARS = 64 };

/* Everything that loading needs to know, on its way through the sources. */
struct loader {
	struct config *config;
	struct arena scratch;
	const char *file;
	struct error *err;
};

static void set_origin(struct loader *loader, const struct param *param, const char *origin)
{
	loader->config->origins[param - params] = arena_strdup(&loader->config->arena, origin);
}

static bool is_set(const struct loader *loader, const struct param *param)
{
	return loader->config->origins[param - params] != NULL;
}

/* Splits "a b, c" at blanks and commas; returns how many items there are, at most ITEMS_MAX. */
static size_t split(struct arena *arena, const char *text, const char **items)
{
	size_t count = 0;

	for (text += strspn(text, " ,"); *text && count < ITEMS_MAX; text += strspn(text, " ,")) {
		size_t len = strcspn(text, " ,");

		items[count++] = arena_strndup(arena, text, len);
		text += len;
	}
	return count;
}

static int set_text(
	struct loader *loader, const struct param *param, const char *text, const char *origin)
{
	const char *items[ITEMS_MAX] = {text};
	struct param_value value = {.items = items, .count = 1};

	if (param_is_list(param))
		value.count = split(&loader->scratch, text, items);
	if (param_set(loader->config, param, &value, loader->err) < 0)
		return error_wrap(loader->err, "%s", origin);
	set_origin(loader, param, origin);
	return 0;
}

static int load_defaults(struct loader *loader)
{
	for (const struct param *param = params; param->section || param->path; param++) {
		if (param->path && !str_empty(param->preset) &&
			set_text(loader, param, param->preset, "default") < 0)
			return -1;
	}
	return 0;
}

static size_t min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many characters must change to turn one key into the other (Levenshtein). */
static size_t typo_distance(const char *a, const char *b)
{
	size_t row[KEY_MAX_CHARS + 1];
	size_t len = strlen(b);

	if (len > KEY_MAX_CHARS)
		return SIZE_MAX;
	for (size_t j = 0; j <= len; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < len; j++) {
			size_t change = diagonal + (a[i] != b[j]);

			diagonal = row[j + 1];
			row[j + 1] = min_size(change, min_size(row[j], row[j + 1]) + 1);
		}
	}
	return row[len];
}

/* The known key that looks most like this one; NULL when none is near. */
static const char *nearest_key(const char *path)
{
	const char *nearest = NULL;
	size_t best = TYPO_MAX + 1;

	for (const struct param *param = params; param->section || param->path; param++) {
		size_t distance = param->path ? typo_distance(path, param->path) : SIZE_MAX;

		if (distance < best) {
			best = distance;
			nearest = param->path;
		}
	}
	return nearest;
}

/* "timing:" with nothing under it, as when all its keys are commented out. */
static bool is_empty_section(const struct yaml_leaf *leaf)
{
	size_t len = strlen(leaf->path);

	if (leaf->kind != YAML_EMPTY_MAP && (leaf->kind != YAML_SCALAR || *leaf->value))
		return false;
	for (const struct param *param = params; param->section || param->path; param++) {
		if (param->path && strncmp(param->path, leaf->path, len) == 0 &&
			param->path[len] == '.')
			return true;
	}
	return false;
}

static int refuse_unknown(struct loader *loader, const struct yaml_leaf *leaf, const char *path)
{
	const char *nearest = nearest_key(path);
	char *parent = arena_strdup(&loader->scratch, path);
	char *dot;

	while ((dot = strrchr(parent, '.'))) {
		*dot = '\0';
		if (param_find(parent))
			return error_set(loader->err, ERR_INVALID,
				"%s:%d:%d: %s has keys below it, expected a value", loader->file,
				leaf->line, leaf->column, parent);
	}
	if (nearest)
		return error_set(loader->err, ERR_INVALID,
			"%s:%d:%d: unknown key %.100s, expected perhaps %s", loader->file,
			leaf->line, leaf->column, path, nearest);
	return error_set(loader->err, ERR_INVALID,
		"%s:%d:%d: unknown key %.100s, expected a key of --print-example", loader->file,
		leaf->line, leaf->column, path);
}

static bool is_null(const struct yaml_leaf *leaf)
{
	return leaf->kind == YAML_SCALAR &&
	       (!*leaf->value || str_eq(leaf->value, "~") || str_eq(leaf->value, "null"));
}

static int refuse_shape(struct loader *loader, const struct param *param,
	const struct yaml_leaf *leaf, const char *shape)
{
	CLEANUP(buf_release)
	struct buf expected;

	buf_init(&expected, 256);
	param_expectation(param, &expected);
	return error_set(loader->err, ERR_INVALID, "%s:%d:%d: %s is %s, expected %s", loader->file,
		leaf->line, leaf->column, param->path, shape, buf_str(&expected));
}

/* A key's value from its leaves: one, or one per item of its list. */
static int set_from_leaves(struct loader *loader, const struct param *param,
	const struct yaml_leaf *leaves, size_t count)
{
	const char *items[ITEMS_MAX];
	struct param_value value = {.items = items, .count = count, .quoted = true};
	const char *origin = arena_printf(
		&loader->scratch, "%s:%d:%d", loader->file, leaves->line, leaves->column);
	bool listed = strchr(leaves->path, '[') != NULL;

	if (leaves->kind == YAML_EMPTY_MAP || leaves->kind == YAML_EMPTY_LIST)
		return refuse_shape(loader, param, leaves, "empty");
	if (listed && !param_is_list(param))
		return refuse_shape(loader, param, leaves, "a list");
	if (!listed && is_null(leaves) && str_eq(param->preset, ""))
		return 0;
	if (!listed && is_null(leaves))
		return refuse_shape(loader, param, leaves, "empty");
	if (!listed && param_is_list(param))
		return set_text(loader, param, leaves->value, origin);
	for (size_t i = 0; i < count; i++) {
		items[i] = leaves[i].value;
		value.quoted = value.quoted && leaves[i].kind == YAML_QUOTED;
	}
	if (param_set(loader->config, param, &value, loader->err) < 0)
		return error_wrap(loader->err, "%s", origin);
	set_origin(loader, param, origin);
	return 0;
}

/* The path without "[n]" at its end; the whole path when something follows the bracket. */
static const char *list_path(struct arena *arena, const char *path)
{
	const char *bracket = strchr(path, '[');

	if (!bracket || strchr(bracket, ']')[1])
		return path;
	return arena_strndup(arena, path, (size_t)(bracket - path));
}

static int load_leaves(struct loader *loader, const struct yaml_leaves *leaves)
{
	size_t count;

	for (size_t i = 0; i < leaves->count; i += count) {
		const char *path = list_path(&loader->scratch, leaves->items[i].path);
		const struct param *param = param_find(path);

		count = 1;
		if (!param && is_empty_section(&leaves->items[i]))
			continue;
		if (!param)
			return refuse_unknown(loader, &leaves->items[i], path);
		while (i + count < leaves->count && count < ITEMS_MAX &&
			str_eq(list_path(&loader->scratch, leaves->items[i + count].path), path))
			count++;
		if (set_from_leaves(loader, param, &leaves->items[i], count) < 0)
			return -1;
	}
	return 0;
}

static int load_file(struct loader *loader)
{
	CLEANUP(close_file)
	FILE *file = fopen(loader->file, "re");
	char *text = arena_alloc(&loader->scratch, FILE_MAX_BYTES + 1);
	struct yaml_leaves leaves;
	size_t len;

	if (!file)
		return error_sys(
			loader->err, ERR_INVALID, errno, "%s cannot be opened", loader->file);
	len = fread(text, 1, FILE_MAX_BYTES + 1, file);
	if (ferror(file))
		return error_sys(
			loader->err, ERR_INVALID, errno, "%s cannot be read", loader->file);
	if (yaml_read(&leaves, &loader->scratch, loader->file, text, len, loader->err) < 0)
		return -1;
	return load_leaves(loader, &leaves);
}

/* "broker.heartbeat_s" as "CSE_WORKER_BROKER_HEARTBEAT_S". */
static char *environment_name(struct arena *arena, const char *path)
{
	char *name = arena_printf(arena, ENVIRONMENT_PREFIX "%s", path);

	for (char *at = name + strlen(ENVIRONMENT_PREFIX); *at; at++)
		*at = *at == '.' ? '_' : (char)toupper((unsigned char)*at);
	return name;
}

static const struct param *find_variable(struct arena *arena, const char *name)
{
	for (const struct param *param = params; param->section || param->path; param++) {
		if (param->path && str_eq(environment_name(arena, param->path), name))
			return param;
	}
	return NULL;
}

static int load_environment(struct loader *loader)
{
	for (char **entry = environ; entry && *entry; entry++) {
		const char *equals = strchr(*entry, '=');
		const struct param *param;
		const char *name;

		if (!equals || !str_starts(*entry, ENVIRONMENT_PREFIX))
			continue;
		name = arena_strndup(&loader->scratch, *entry, (size_t)(equals - *entry));
		param = find_variable(&loader->scratch, name);
		if (!param)
			return error_set(loader->err, ERR_INVALID,
				"%.100s: unknown variable, expected CSE_WORKER_<KEY> of a key of "
				"--print-example",
				name);
		if (set_text(loader, param, equals + 1, name) < 0)
			return -1;
	}
	return 0;
}

static int check_required(struct loader *loader)
{
	CLEANUP(buf_release)
	struct buf expected;

	buf_init(&expected, 256);
	for (const struct param *param = params; param->section || param->path; param++) {
		if (!param->path || param->preset || is_set(loader, param))
			continue;
		param_expectation(param, &expected);
		return error_set(loader->err, ERR_INVALID, "%s:1:1: %s is missing, expected %s",
			loader->file, param->path, buf_str(&expected));
	}
	return 0;
}

static void add_default_ports(struct config *config)
{
	const char *port = config->broker_tls_enabled ? "5671" : "5672";

	for (size_t i = 0; i < config->broker_hosts.count; i++) {
		const char **host = &config->broker_hosts.items[i];

		if (!strchr(*host, ':'))
			*host = arena_printf(&config->arena, "%s:%s", *host, port);
	}
}

bool config_file_at(const struct config *config, size_t index, struct config_file *out)
{
	for (const struct param *param = params; param->section || param->path; param++) {
		const char *path;

		if (!param->path || !param_is_file(param))
			continue;
		memcpy(&path, (const char *)config + param->offset, sizeof(path));
		if (!path || index-- > 0)
			continue;
		*out = (struct config_file){
			.key = param->path,
			.path = path,
			.origin = config_origin(config, param->path),
			.secret = param->type == PARAM_SECRET_FILE,
		};
		return true;
	}
	return false;
}

int config_file_check(const struct config_file *file, struct error *err)
{
	struct stat st;

	if (access(file->path, R_OK) < 0 || stat(file->path, &st) < 0) {
		(void)error_sys(err, ERR_INVALID, errno, "%s: %s is %s, expected %s", file->origin,
			file->key, file->path, "a readable file");
		return -1;
	}
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERR_INVALID,
			"%s: %s is %s, which is no regular file, expected one", file->origin,
			file->key, file->path);
	if (file->secret && (st.st_mode & S_IRWXO))
		return error_set(err, ERR_INVALID,
			"%s: %s is %s with mode %04o, which others can use, expected mode 0600 or "
			"0640: run chmod o= %s",
			file->origin, file->key, file->path, (unsigned)(st.st_mode & 07777),
			file->path);
	return 0;
}

static int check_files(const struct config *config, struct error *err)
{
	struct config_file file;

	for (size_t i = 0; config_file_at(config, i, &file); i++)
		if (config_file_check(&file, err) < 0)
			return -1;
	return 0;
}

static int read_secret(struct config *config, struct secret *out, const char *key, const char *path,
	struct error *err)
{
	if (secret_read_file(out, path, err) == 0)
		return 0;
	return error_wrap(err, "%s: %s", config_origin(config, key), key);
}

int config_read_secrets(struct config *config, struct error *err)
{
	if (check_files(config, err) < 0 ||
		read_secret(config, &config->broker_password, "broker.password_file",
			config->broker_password_file, err) < 0)
		return -1;
	return read_secret(
		config, &config->vcd_password, "vcd.password_file", config->vcd_password_file, err);
}

static int read_all(struct loader *loader)
{
	struct config *config = loader->config;

	if (load_defaults(loader) < 0 || load_file(loader) < 0 || load_environment(loader) < 0 ||
		check_required(loader) < 0 || config_check(config, loader->err) < 0)
		return -1;
	add_default_ports(config);
	return 0;
}

int config_read(struct config *out, const char *path, struct error *err)
{
	struct loader loader = {.config = out, .file = path, .err = err};
	size_t rows = 0;
	int status;

	*out = (struct config){0};
	while (params[rows].section || params[rows].path)
		rows++;
	out->origins = arena_alloc(&out->arena, rows * sizeof(*out->origins));
	status = read_all(&loader);
	arena_reset(&loader.scratch);
	if (status < 0)
		config_release(out);
	return status;
}

int config_load(struct config *out, const char *path, struct error *err)
{
	if (config_read(out, path, err) < 0)
		return -1;
	if (config_read_secrets(out, err) == 0)
		return 0;
	config_release(out);
	return -1;
}

void config_release(struct config *config)
{
	secret_release(&config->broker_password);
	secret_release(&config->vcd_password);
	arena_reset(&config->arena);
	*config = (struct config){0};
}
