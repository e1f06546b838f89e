#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Talking with the worker: guestinfo keys in, numbered and authenticated messages out. Every process
# in a guest can read and write guestinfo; only root here knows the cluster's key.

# tools_get KEY: prints a guestinfo value; fails when it is absent or blank.
tools_get() {
	local try value
	for try in 1 2 3; do
		if value=$(timeout 20 vmtoolsd --cmd "info-get $1" 2>"$STATE/tools.err"); then
			[[ $value =~ [^[:space:]] ]] || return 1
			printf '%s' "$value"
			return 0
		fi
		if grep -qi 'no value' "$STATE/tools.err"; then
			return 1
		fi
		# Two calls in quick succession are sometimes refused.
		sleep "$try"
	done
	return 1
}

# tools_set KEY VALUE
tools_set() {
	local try
	for try in 1 2 3; do
		if timeout 20 vmtoolsd --cmd "info-set $1 $2" >/dev/null 2>"$STATE/tools.err"; then
			return 0
		fi
		sleep "$try"
	done
	log "info-set $1 failed: $(head -c 200 "$STATE/tools.err")"
	return 1
}

# hex_bytes HEX XOR LENGTH: the bytes, padded with zeros to LENGTH and each combined with XOR, as
# escapes for printf %b.
hex_bytes() {
	local i byte
	for ((i = 0; i < $3; i++)); do
		byte=${1:i*2:2}
		printf '\\x%02x' $((16#${byte:-00} ^ $2))
	done
}

# hmac_hex HEXKEY TEXT: HMAC-SHA256 in lower-case hex. printf is part of the shell, so the key is in
# no process's arguments, as it would be with openssl's -macopt.
hmac_hex() {
	local inner outer
	inner=$({
		printf '%b' "$(hex_bytes "$1" $((0x36)) 64)"
		printf '%s' "$2"
	} | sha256sum)
	outer=$({
		printf '%b' "$(hex_bytes "$1" $((0x5c)) 64)"
		printf '%b' "$(hex_bytes "${inner%% *}" 0 32)"
	} | sha256sum)
	printf '%s' "${outer%% *}"
}

# message KIND TEXT WORDS: sets guestinfo.cse.KIND to "v1 <seq> WORDS <mac>"; TEXT is what the MAC
# is made over besides kind, name and number.
message() {
	local seq=0 mac
	if [[ -s $STATE/seq ]]; then
		seq=$(<"$STATE/seq")
	fi
	seq=$((seq + 1))
	printf '%s\n' "$seq" | keep "$STATE/seq"
	mac=$(hmac_hex "$(field "$STATE/secret" key)" "$1|$(data name)|$seq|$2")
	tools_set "guestinfo.cse.$1" "v1 $seq $3 $mac"
}

# say_phase PHASE running|done|failed
say_phase() {
	log "phase $1 $2"
	message phase "$1|$2" "$1 $2"
}

# say_text KIND: sends standard input, which must stay below the 64 KB of one guest message.
say_text() {
	local text
	text=$(base64 -w0)
	((${#text} <= 60000)) || die "$1 is too long to be sent"
	message "$1" "$text" "$text"
}

# seal: hides standard input from everybody but the worker. Any process of a guest can read guestinfo,
# and vmtoolsd takes values only as arguments, which every user of the guest sees.
seal() {
	openssl enc -aes-256-cbc -md sha256 -salt \
		-pass "file:"<(hmac_hex "$(field "$STATE/secret" key)" seal)
}

# Whatever looks like a token, a password or a PEM body does not leave the guest: anybody who reads
# guestinfo sees what is said there.
redact() {
	local gap="[\"']?[[:space:]]*[:=][[:space:]]*[\"']?"
	sed -E -e "s/(authorization|cookie)($gap).*/\\1\\2***/I" \
		-e "s/(password|passwd|secret|token|-data)($gap)[^[:space:]\"',;]+/\\1\\2***/Ig" \
		-e 's/(bearer )[^[:space:]"]{8,}/\1***/Ig' -e 's/[a-z0-9]{6}\.[a-z0-9]{16}/***/g' \
		-e 's/^[A-Za-z0-9+\/=]{20,}$/***/' -e 's/[A-Za-z0-9+\/=]{60,}/***/g'
}

# say_error PHASE STATUS: the last attempt's evidence, at most 1 KB.
say_error() {
	local evidence
	evidence=$(redact 2>/dev/null <"$STATE/$1.log" | tail -n 12 | tail -c 900) || evidence=
	printf 'phase %s, exit code %s\n%s\n' "$1" "$2" "$evidence" | head -c 1000 | say_text error
}

# Takes data and secret over from guestinfo. The secret is stored here before it is emptied there,
# and only the first one of a CA counts: a power cycle may bring an old value back.
inputs_take() {
	local text
	if text=$(tools_get guestinfo.cse.data); then
		printf '%s' "$text" | base64 -d | keep "$STATE/data.told"
		# Another CA than before: this node was switched off and written again before it could
		# join. The secret goes first, or a cut here would leave it beside the new data.
		if [[ -s $STATE/data && ! -e $STATE/done.init && ! -e $STATE/done.join &&
			$(field "$STATE/data.told" ca_hash) != $(data ca_hash) ]]; then
			rm -f "$STATE/secret"
		fi
		mv -f "$STATE/data.told" "$STATE/data"
	fi
	if text=$(tools_get guestinfo.cse.secret); then
		if [[ ! -s $STATE/secret ]]; then
			printf '%s' "$text" | base64 -d | keep "$STATE/secret"
		fi
		# Tools cannot remove a key; a blank is as close as it gets.
		tools_set guestinfo.cse.secret ' '
	fi
	[[ -s $STATE/data && -s $STATE/secret ]] &&
		[[ $(field "$STATE/secret" key) =~ ^([0-9a-f]{2}){16,64}$ ]]
}

# secret_forget KEY...: drops lines that are no longer needed.
secret_forget() {
	local key pattern
	for key in "$@"; do
		pattern="^$key "
		if grep -q "$pattern" "$STATE/secret"; then
			{ grep -v "$pattern" "$STATE/secret" || true; } | keep "$STATE/secret"
		fi
	done
}

# want KEY REGEX: a value of the data must look like this; it goes into files and commands.
want() {
	local value
	value=$(data "$1")
	[[ $value =~ ^($2)$ ]] || die "guest data: $1 is not valid"
}

inputs_check() {
	local address='([0-9]{1,3}\.){3}[0-9]{1,3}'
	want version 1
	want role 'control-plane|worker'
	want name '[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?'
	want ip "$address"
	want endpoint "$address:6443"
	want external "($address)?"
	want ca_hash 'sha256:[0-9a-f]{64}'
	want pod_cidr "$address/[0-9]{1,2}"
	want service_cidr "$address/[0-9]{1,2}"
	want token_ttl_s '[1-9][0-9]{0,6}'
	want deadline_s '[1-9][0-9]{0,6}'
	want kubernetes '[A-Za-z0-9][-A-Za-z0-9._+]{0,63}'
	want workers '[0-9]{0,4}'
}
