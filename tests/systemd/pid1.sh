#!/bin/sh
# systemd as process 1 of namespaces, over a copy-on-write view of this machine's root.
#
#   pid1.sh CGROUP DEST [ROOT]
#
# The caller has made the mount, PID, UTS and IPC namespaces and stands in the network
# namespace the machine shall have.  CGROUP is a directory of the cgroup2 hierarchy,
# DEST what "make install DESTDIR=" filled, ROOT another root than this machine's.
# Nothing of the host can be written: its files are the lower layer of an overlay,
# /proc/sys and /sys are read-only, and what would set the kernel up (sysctl, udev, modules, clock) is masked or not allowed.
set -eu
cgroup=$1 dest=$2 below=${3:-/} scratch=/run/machine

mount --make-rprivate /
mkdir -p $scratch
if [ "${cgroup#joined:}" = "$cgroup" ]; then
	# First the cgroup, then its namespace: systemd then sees it as the root.
	mkdir -p $scratch/cgroup
	mount -t cgroup2 cgroup2 $scratch/cgroup
	echo $$ >"$scratch/cgroup/$cgroup/cgroup.procs"
	umount $scratch/cgroup
	exec unshare --cgroup "$0" "joined:$cgroup" "$dest" "$below"
fi

mount -t tmpfs -o mode=755 tmpfs $scratch
mkdir $scratch/up $scratch/work $scratch/root
root=$scratch/root
mount -t overlay overlay -o "lowerdir=$dest:$below,upperdir=$scratch/up,workdir=$scratch/work" $root

mount -t proc proc $root/proc
for path in sys sysrq-trigger irq bus fs; do
	[ -e $root/proc/$path ] || continue
	mount --bind $root/proc/$path $root/proc/$path
	mount -o remount,bind,ro $root/proc/$path
done
mount -t sysfs -o ro sysfs $root/sys
mount -t cgroup2 cgroup2 $root/sys/fs/cgroup

mount -t tmpfs -o mode=755 tmpfs $root/dev
for name in null zero full random urandom tty; do
	touch $root/dev/$name
	mount --bind /dev/$name $root/dev/$name
done
mkdir $root/dev/pts $root/dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts $root/dev/pts
ln -s pts/ptmx $root/dev/ptmx
ln -s /proc/self/fd $root/dev/fd
mount -t tmpfs -o mode=755 tmpfs $root/run
mount -t tmpfs -o mode=1777 tmpfs $root/tmp

# The host's own services stay off, and what would set its kernel up; what its own natd holds stays
# its own.
rm -rf $root/etc/systemd/system $root/etc/fstab $root/var/lib/systemd $root/var/log/journal \
	$root/var/lib/natd $root/var/lib/private/natd
mkdir -p $root/etc/systemd/system
for unit in dbus.service dbus.socket dev-hugepages.mount getty.target kmod-static-nodes.service \
	modprobe@.service proc-sys-fs-binfmt_misc.automount sys-fs-fuse-connections.mount \
	sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
	systemd-binfmt.service systemd-firstboot.service systemd-hwdb-update.service \
	systemd-journald-audit.socket systemd-logind.service systemd-modules-load.service \
	systemd-networkd.service systemd-pcrphase.service systemd-random-seed.service \
	systemd-remount-fs.service systemd-resolved.service systemd-sysctl.service \
	systemd-timesyncd.service systemd-udev-trigger.service systemd-udevd.service \
	systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-update-utmp.service; do
	ln -s /dev/null $root/etc/systemd/system/$unit
done

cd $root
mkdir -p mnt/old
pivot_root . mnt/old
umount -l /mnt/old
# Without it PID 1 leaves propagation private, and credentials silently stay empty.
mount --make-rshared /
exec env -i container=natd-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	setpriv --bounding-set=-sys_module,-sys_rawio,-sys_time,-syslog,-mac_admin \
	/lib/systemd/systemd --system --unit=multi-user.target --log-target=console </dev/null
