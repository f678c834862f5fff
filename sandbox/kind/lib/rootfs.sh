# shellcheck shell=bash
# The node's root file system, after kind's images/base/Dockerfile: Debian's packages, kind's own files, our programs.

NODE_PACKAGES=(
    systemd                                                 # init
    runc libseccomp2                                        # containers (containerd itself is compiled)
    conntrack iptables nftables iproute2 ethtool socat kmod # kubelet, kube-proxy
    util-linux mount e2fsprogs
    bash hostname ca-certificates jq procps # kind's entrypoint, hooks and commands
    busybox-static                          # goes into the volume helper's image only
)

trim_rootfs() {
    local root=${1:?}
    rm -rf "$root"/usr/share/{doc,man,info,locale,lintian,bug}/* "$root"/var/lib/apt/lists/* \
        "$root"/var/cache/{apt,debconf,ldconfig}/* "${root:?}"/{dev,tmp,var/log,var/tmp}/* "$root/etc/hostname"
    : >"$root/etc/resolv.conf" # Docker puts in both
}

pack_rootfs() { tar -C "$1" --sort=name --numeric-owner -c .; }

build_base() {
    BASE_TAR=$CACHE/debian-$SUITE.tar
    [[ ! -s $BASE_TAR ]] || return 0
    log "debootstrap $SUITE"
    local root=$WORK/base
    debootstrap --variant=minbase "$SUITE" "$root" >"$CACHE/debootstrap.log" || die "see $CACHE/debootstrap.log"
    # Security updates too, from the mirror that debootstrap has chosen.
    sed -n -i "p; s|^deb \(.*\)/debian $SUITE |deb \1/debian-security $SUITE-security |p" "$root/etc/apt/sources.list"
    DEBIAN_FRONTEND=noninteractive chroot "$root" sh -c 'apt-get update -qq && apt-get upgrade -qq -y' \
        >>"$CACHE/debootstrap.log" 2>&1 || die "see $CACHE/debootstrap.log"
    trim_rootfs "$root"
    pack_rootfs "$root" >"$BASE_TAR.new" && mv "$BASE_TAR.new" "$BASE_TAR"
    rm -rf "$root"
}

build_rootfs() {
    local kind_source
    kind_source=$(source_of "$MODULES/kind" sigs.k8s.io/kind)
    ROOT=$WORK/root
    mkdir -p "$ROOT"
    tar -C "$ROOT" -xf "$BASE_TAR"
    mknod -m 666 "$ROOT/dev/null" c 1 3
    mknod -m 666 "$ROOT/dev/urandom" c 1 9
    install_debian_packages
    log "laying out the node"
    lay_out_kind "$kind_source/images/base/files"
    lay_out_programs
    configure_containerd
    lay_out_manifests "$kind_source"
    lay_out_licenses
}

install_debian_packages() {
    log "installing Debian packages in the node's root"
    cp --remove-destination -L /etc/resolv.conf "$ROOT/etc/resolv.conf"
    printf '#!/bin/sh\nexit 101\n' >"$ROOT/usr/sbin/policy-rc.d" # nothing is started
    chmod 755 "$ROOT/usr/sbin/policy-rc.d"
    # shellcheck disable=SC2016 # that shell expands it
    DEBIAN_FRONTEND=noninteractive chroot "$ROOT" sh -c \
        'apt-get update -qq && apt-get install -qq -y --no-install-recommends "$@"' sh "${NODE_PACKAGES[@]}" \
        >"$CACHE/packages.log" 2>&1 || die "see $CACHE/packages.log"
    rm "$ROOT/usr/sbin/policy-rc.d"
}

# lay_out_kind FILES: kind's entrypoint, hooks and units
lay_out_kind() {
    local files=$1 file mode units=$ROOT/lib/systemd/system
    (cd "$files" && find . -type f -printf '%P\n') | while read -r file; do
        case $file in usr/local/bin/* | kind/bin/*) mode=755 ;; *) mode=644 ;; esac
        install -D -m "$mode" "$files/$file" "$ROOT/$file"
    done
    rm -f "$ROOT/usr/local/bin/clean-install" "$ROOT"/etc/systemd/system/containerd-fuse-overlayfs.service
    rm -f "$units"/sysinit.target.wants/systemd-tmpfiles-setup.service "$units"/multi-user.target.wants/* \
        "$ROOT"/etc/systemd/system/*.wants/* "$units"/local-fs.target.wants/* "$units"/sockets.target.wants/*udev* \
        "$units"/sockets.target.wants/*initctl* "$units"/basic.target.wants/*
    echo 'ReadKMsg=no' >>"$ROOT/etc/systemd/journald.conf"
    ln -sf /usr/lib/systemd/systemd "$ROOT/sbin/init"
    chroot "$ROOT" systemctl -q enable kubelet.service containerd.service undo-mount-hacks.service
    chroot "$ROOT" systemctl -q mask systemd-binfmt.service
    mkdir -p "$ROOT/etc/kubernetes/manifests" "$ROOT/etc/cni/net.d" "$ROOT/kind/manifests"
}

lay_out_programs() {
    local name
    install -m 755 "$CONTAINERD"/* "$CRICTL"/* -t "$ROOT/usr/local/bin"
    install -D -m 755 "$CNI"/* -t "$ROOT/opt/cni/bin"
    install -m 755 "$KUBE/node" "$ROOT/usr/bin/kubernetes"
    for name in kubelet kubeadm kubectl; do ln -s kubernetes "$ROOT/usr/bin/$name"; done
    echo -n "$KUBE_VERSION" >"$ROOT/kind/version"
}

configure_containerd() {
    # As in kind's Dockerfile: each container gets the node's own product_uuid.
    chroot "$ROOT" ctr oci spec |
        jq '.hooks.createContainer += [{"path": "/kind/bin/mount-product-files.sh"}] | del(.process.rlimits)' \
            >"$ROOT/etc/containerd/cri-base.json"
    # restrict_oom_score_adj: without CAP_SYS_RESOURCE no process may lower its own; where containerd runs with -999
    # it changes nothing.
    sed -i -e "s|sandbox_image = .*|sandbox_image = \"$(image_name pause)\"|" \
        -e 's|restrict_oom_score_adj = false|restrict_oom_score_adj = true|' "$ROOT/etc/containerd/config.toml"
    # The pod network without a daemon: containerd fills this template with the pod range that the kubelet tells it.
    # One node only: there are no routes between nodes.
    printf '\n[plugins."io.containerd.grpc.v1.cri".cni]\n  conf_template = "/kind/cni.conflist.template"\n' \
        >>"$ROOT/etc/containerd/config.toml"
    install -m 644 "$HERE/node/cni.conflist.template" "$ROOT/kind/cni.conflist.template"
}

# lay_out_manifests KIND_SOURCE: what kind applies, and what the kubelet reads
lay_out_manifests() {
    local storage=$ROOT/kind/manifests/default-storage.yaml
    install -m 644 "$HERE/node/default-cni.yaml" "$ROOT/kind/manifests/default-cni.yaml" # in its step "Installing CNI"
    install -m 755 "$HERE/node/fence-service-range.sh" "$ROOT/kind/bin/fence-service-range.sh"
    printf '[Service]\nExecStartPre=-/kind/bin/fence-service-range.sh\n' \
        >"$ROOT/etc/systemd/system/kubelet.service.d/20-fence-service-range.conf"
    # kind's own manifest for the default StorageClass, with the images that are made here
    # shellcheck disable=SC2016 # the backquotes are Go's
    sed -n '/^const defaultStorageManifest = `/,/^`/p' "$1/pkg/build/nodeimage/const_storage.go" |
        sed -e '1d;$d' -e "s|\` + storageProvisionerImage + \`|$LOCAL_PATH_IMAGE|; s|\` + storageHelperImage + \`|$HELPER_IMAGE|" \
            >"$storage"
    grep -q "image: $LOCAL_PATH_IMAGE" "$storage" || die "kind's storage manifest is not understood"
    install -D -m 644 "$HERE/node/kubelet-cgroup-v1.conf" "$ROOT/etc/kubernetes/kubelet.conf.d/10-cgroup-v1.conf"
    sed -i 's|$| --config-dir=/etc/kubernetes/kubelet.conf.d|' "$ROOT/etc/default/kubelet"
}

lay_out_licenses() {
    local folder module
    install -d "$ROOT/LICENSES"
    while read -r folder module; do
        cp "$(source_of "$folder" "$module")/LICENSE" "$ROOT/LICENSES/$(tr / _ <<<"$module")"
    done <<END
$KUBE_MODULE k8s.io/kubernetes
$KUBE_MODULE go.etcd.io/etcd/server/v3
$MODULES/kind sigs.k8s.io/kind
$MODULES/crictl sigs.k8s.io/cri-tools
$MODULES/containerd github.com/containerd/containerd/v2
$MODULES/cni github.com/containernetworking/plugins
$MODULES/coredns github.com/coredns/coredns
$MODULES/local-path-provisioner github.com/rancher/local-path-provisioner
END
}
