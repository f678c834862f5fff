#!/bin/sh
# Pods may start before kube-proxy has written its rules. What they send to a service address in that moment would leave
# the node and be answered, if at all, by a stranger. So it is dropped, and TCP's next attempt finds the rules.
subnets=$(sed -n 's/^ *serviceSubnet: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' /kind/kubeadm.conf)
for subnet in $(echo "$subnets" | tr , ' '); do
  case $subnet in *:*) iptables=ip6tables ;; *) iptables=iptables ;; esac
  set -- FORWARD -d "$subnet" -m comment --comment service-address-without-rules -j DROP
  $iptables -w -C "$@" 2>/dev/null || $iptables -w -A "$@"
done
