# shellcheck shell=bash
# Sourced, with FOLDER as its argument: everything that buildah keeps lies below that folder, which
# is then in $folder.
folder=$(mkdir -p "$1" && cd "$1" && pwd)
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs CONTAINERS_STORAGE_CONF=$folder/storage.conf
cat >"$folder/storage.conf" <<END
[storage]
driver = "vfs"
graphroot = "$folder/storage"
runroot = "$folder/run"
END
