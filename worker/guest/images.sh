#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The container runtime that is here, and the images that the template brings for it.

# Sets RUNTIME; fails while none answers. Hosts with Docker run containerd too, so Docker is asked first
# as long as kubeadm can use it.
runtime_find() {
	if ((KUBEADM_MINOR < 24)) && command -v docker >/dev/null &&
		timeout 20 docker info >/dev/null 2>&1; then
		RUNTIME=docker
	elif command -v ctr >/dev/null && timeout 20 ctr version >/dev/null 2>&1; then
		RUNTIME=containerd
	else
		return 1
	fi
}

# What every phase but the first wait takes for granted.
facts_read() {
	kubeadm_read
	runtime_find || die "no container runtime answers"
}

runtime_is_up() {
	kubeadm_read
	runtime_find
}

cri_socket() {
	case $RUNTIME in
	docker) printf '/var/run/dockershim.sock' ;;
	containerd)
		# A bare path is deprecated from 1.24 on, the form with a scheme unknown to old ones.
		if ((KUBEADM_MINOR >= 24)); then
			printf 'unix://'
		fi
		printf '/run/containerd/containerd.sock'
		;;
	esac
}

cgroup_driver() {
	case $RUNTIME in
	docker) docker info -f '{{.CgroupDriver}}' ;;
	containerd)
		if containerd config dump | grep -qE 'SystemdCgroup *= *true'; then
			printf 'systemd\n'
		else
			printf 'cgroupfs\n'
		fi
		;;
	esac
}

# image_present REFERENCE
image_present() {
	case $RUNTIME in
	docker) docker image inspect "$1" >/dev/null 2>&1 ;;
	containerd) ctr -n k8s.io images ls -q | grep -Fxq -- "$1" ;;
	esac
}

# image_load ARCHIVE
image_load() {
	case $RUNTIME in
	docker) docker load -q -i "$1" </dev/null ;;
	containerd) ctr -n k8s.io images import "$1" </dev/null ;;
	esac
}

prepared_dir() {
	printf '%s/%s' "$PREPARED" "$(data kubernetes)"
}

# image_reference COMPONENT: the full reference whose last path element is the component.
image_reference() {
	awk -v want="$1" '{
		name = $2
		sub(/:[^:\/]*$/, "", name)
		parts = split(name, part, "/")
		if (part[parts] == want) {
			print $2
			exit
		}
	}' "$(prepared_dir)/images.list"
}

phase_images() {
	local file reference dir
	dir=$(prepared_dir)
	[[ -r $dir/images.list ]] || die "the template is not prepared: no $dir/images.list"
	while read -r file reference; do
		if [[ -z $reference ]] || image_present "$reference"; then
			continue
		fi
		image_load "$dir/images/$file"
		image_present "$reference" || die "archive $file does not hold $reference"
	done <"$dir/images.list"
}
