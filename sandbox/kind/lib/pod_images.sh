# shellcheck shell=bash
# The images of the control plane and of the volume provisioner, which the node image holds: an archive in the layout of
# `docker save`, made without a registry.

# layer ROOT: packs a tree as a layer of $WORK/archive and prints its digest
layer() {
    local archive=$WORK/archive sum
    mkdir -p "$archive"
    tar -C "$1" --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf "$archive/layer" .
    sum=$(sha256sum <"$archive/layer")
    mv "$archive/layer" "$archive/${sum%% *}.tar"
    echo "${sum%% *}"
}

# add_image NAME ENTRYPOINT LAYER...: adds an image to $WORK/archive
add_image() {
    local name=$1 entry=$2 archive=$WORK/archive id layers
    shift 2
    layers=$(printf '%s\n' "$@" | jq -cR . | jq -cs .)
    jq -cn --arg e "$entry" --argjson l "$layers" --arg a "$(go env GOARCH)" '{
        architecture: $a, os: "linux", created: "1970-01-01T00:00:00Z",
        config: {Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                 Entrypoint: (if $e == "" then null else [$e] end), WorkingDir: "/"},
        rootfs: {type: "layers", diff_ids: ($l | map("sha256:" + .))}}' >"$archive/config"
    id=$(sha256sum <"$archive/config")
    id=${id%% *}
    mv "$archive/config" "$archive/$id.json"
    jq -cn --arg n "$name" --arg c "$id.json" --argjson l "$layers" \
        '{Config: $c, RepoTags: [$n], Layers: ($l | map(. + ".tar"))}' >>"$WORK/manifest"
}

# program_layer FILE TARGET: a layer that holds nothing but one static program
program_layer() {
    local root
    root=$(mktemp -d "$WORK/layer.XXXX")
    chmod 755 "$root"
    install -d -m 1777 "$root/tmp"
    install -D -m 755 "$1" "$root$2"
    layer "$root"
    rm -rf "$root"
}

# copy_with_libraries ROOT FILE...: files of the node's root with the libraries that they load
copy_with_libraries() {
    local root=$1 file
    shift
    # shellcheck disable=SC2153 # ROOT is the node's root
    {
        printf '%s\n' "$@"
        for file in "$@"; do chroot "$ROOT" ldd "$file" 2>/dev/null || true; done | grep -o '/[^ ]*'
    } | sort -u | while read -r file; do
        install -D -m 755 "$ROOT$(chroot "$ROOT" readlink -f "$file")" "$root$file"
    done
}

build_pod_images() {
    log "making the images of the control plane"
    local name root=$WORK/kube kube_layer
    install -d -m 1777 "$root/tmp"
    install -D -m 755 "$KUBE/node" "$root/usr/local/bin/kubernetes"
    for name in apiserver controller-manager scheduler proxy; do ln -s kubernetes "$root/usr/local/bin/kube-$name"; done
    kube_layer=$(layer "$root")
    for name in kube-apiserver kube-controller-manager kube-scheduler; do
        add_image "$(image_name $name)" "/usr/local/bin/$name" "$kube_layer"
    done
    add_image "$(image_name kube-proxy)" /usr/local/bin/kube-proxy "$kube_layer" "$(proxy_layer)"
    add_image "$(image_name etcd)" /usr/local/bin/etcd "$(program_layer "$KUBE/server" /usr/local/bin/etcd)"
    add_image "$(image_name pause)" /pause "$(program_layer "$PAUSE/pause" /pause)"
    add_image "$(image_name coredns)" /coredns "$(program_layer "$COREDNS/coredns" /coredns)"
    name=/usr/local/bin/local-path-provisioner
    add_image "$LOCAL_PATH_IMAGE" "$name" "$(program_layer "$LOCAL_PATH/${name##*/}" "$name")"
    add_image "$HELPER_IMAGE" "" "$(helper_layer)"
    rm -f "$ROOT/bin/busybox" # the node itself has no use for it
    jq -cs . "$WORK/manifest" >"$WORK/archive/manifest.json"
}

# helper_layer: what the volume provisioner runs to make and remove a folder
helper_layer() {
    local name root=$WORK/helper
    install -D -m 755 "$ROOT/bin/busybox" "$root/bin/busybox"
    for name in sh rm mkdir; do ln -s busybox "$root/bin/$name"; done
    layer "$root"
}

# proxy_layer: iptables (both kinds) and nft with their libraries, and a script that takes the kind of iptables which
# the kubelet on this node uses
proxy_layer() {
    local name modules root=$WORK/proxy
    install -d "$root/run" "$root/usr/sbin"
    mapfile -t modules < <(cd "$ROOT" && find usr/lib -path '*/xtables/*.so' -printf '/%p\n')
    copy_with_libraries "$root" /usr/sbin/{xtables-nft-multi,xtables-legacy-multi,nft} /bin/dash "${modules[@]}"
    ln -s dash "$root/bin/sh"
    install -m 755 "$HERE/node/proxy-iptables" "$root/usr/sbin/iptables"
    for name in iptables-{save,restore} ip6tables{,-save,-restore}; do ln -s iptables "$root/usr/sbin/$name"; done
    layer "$root"
}
