# shellcheck shell=bash
# Compiling the node's programs from pinned Go modules (modules/*/go.mod and go.sum, and the control plane's), each once
# for a version of its module. Sets KUBE, CONTAINERD, CRICTL, CNI, LOCAL_PATH, COREDNS and PAUSE to their folders.
# shellcheck disable=SC2034 # the other files use them

MODULES=$HERE/modules
KUBE_MODULE=$HERE/../controlplane # the same as the local control plane's, so that Go compiles a package for both once

# version MODULE_FOLDER MODULE: the pinned version of a module
version() { (cd "$1" && go list -mod=readonly -m -f '{{.Version}}' "$2"); }

# source_of MODULE_FOLDER MODULE: the folder of a pinned module's source, fetched if needed
source_of() { (cd "$1" && go mod download "$2" && go list -mod=readonly -m -f '{{.Dir}}' "$2"); }

# compiled NAME MODULE_FOLDER LINKER_FLAGS TAGS PACKAGE...: prints the folder with the programs, compiled if needed.
# Flags that a compiled package depends on are those of talkdesk_sandbox.controlplane.build.
compiled() {
    local name=$1 module=$2 linker=$3 tags=$4 key out begin=$SECONDS
    shift 4
    key=$({ cat "$module"/go.mod "$module"/go.sum "$module"/main.go "$module"/node/main.go 2>/dev/null || true
        echo "$linker $tags $*"; go env GOARCH; } | sha256sum)
    out=$CACHE/programs/$name-${key:0:12}
    if [[ ! -d $out ]]; then
        log "compiling $name"
        rm -rf "$out.new"
        (cd "$module" && CGO_ENABLED=0 nice go build -mod=readonly -buildvcs=false -trimpath -tags "$tags" \
            -ldflags "-s -w $linker" -o "$out.new/" "$@") >"$CACHE/compile.log" 2>&1 ||
            die "go build failed in $module: $(grep -v '^go: downloading' "$CACHE/compile.log" | tail -15)"
        mv "$out.new" "$out"
        log "compiled $name in $((SECONDS - begin)) s"
    fi
    echo "$out"
}

kube_stamps() {
    local minor stamp=k8s.io/component-base/version
    IFS=. read -r _ minor _ <<<"$KUBE_VERSION"
    echo "-X $stamp.gitVersion=$KUBE_VERSION -X $stamp.gitMajor=1 -X $stamp.gitMinor=$minor -X $stamp.gitTreeState=clean"
}

compile_programs() {
    local wanted
    KUBE=$(compiled kubernetes "$KUBE_MODULE" "$(kube_stamps)" "" ./node go.etcd.io/etcd/server/v3)
    ln -sf node "$KUBE/kubeadm"
    # The exact names of the images that this kubeadm will ask for; they also say which CoreDNS.
    "$KUBE/kubeadm" config images list --kubernetes-version "$KUBE_VERSION" >"$CACHE/image-names"

    wanted=$(image_name coredns)
    [[ ${wanted##*:} == "$(version "$MODULES/coredns" github.com/coredns/coredns)" ]] ||
        die "Kubernetes $KUBE_VERSION asks for CoreDNS ${wanted##*:}: pin it in $MODULES/coredns/go.mod"
    COREDNS=$(compiled coredns "$MODULES/coredns" "-X github.com/coredns/coredns/coremain.GitCommit=minimal" "" .)
    PAUSE=$(compiled pause "$MODULES/pause" "" "" .)
    CONTAINERD=$(compiled containerd "$MODULES/containerd" \
        "-X github.com/containerd/containerd/v2/version.Version=$(version "$MODULES/containerd" github.com/containerd/containerd/v2 | tr -d v)" \
        "no_btrfs no_zfs no_devmapper no_aufs" tool)
    CRICTL=$(compiled crictl "$MODULES/crictl" \
        "-X sigs.k8s.io/cri-tools/pkg/version.Version=$(version "$MODULES/crictl" sigs.k8s.io/cri-tools)" "" tool)
    CNI=$(compiled cni "$MODULES/cni" "" "" tool)
    LOCAL_PATH=$(compiled local-path-provisioner "$MODULES/local-path-provisioner" "" "" tool)
}

# image_name PART: the name that kubeadm gives to that image
image_name() { grep "/$1:" "$CACHE/image-names"; }
