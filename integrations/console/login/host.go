package login

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// loopbackName reports whether a host name or address is this machine's own, by definition and
// not by what some name server says.
func loopbackName(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && ip.Unmap().IsLoopback() && ip.Zone() == ""
}

// splitHost takes the port from a Host header.
func splitHost(host string) (name, port string) {
	if name, port, err := net.SplitHostPort(host); err == nil {
		return strings.ToLower(name), port
	}
	return strings.ToLower(strings.Trim(host, "[]")), ""
}

// host says whether a request may be for this host. A page of another site whose name points to
// this machine (DNS rebinding) sends its own name, and is refused. many is the person of a
// demo's host such as hana.localhost, or "".
func (d *Door) host(r *http.Request, forwarded bool) (ok bool, many string) {
	name, _ := splitHost(r.Host)
	if d.isURL(r) {
		return true, ""
	}
	if forwarded && d.o.URL != nil {
		return false, ""
	}
	if loopbackName(name) {
		return true, ""
	}
	if id, sub := strings.CutSuffix(name, ".localhost"); sub && d.o.Many && d.known(id) {
		return true, id
	}
	return false, ""
}

// known reports whether a demo offers a person of this id.
func (d *Door) known(id string) bool {
	if d.o.Persons == nil {
		return false
	}
	for _, p := range d.o.Persons() {
		if string(p.ID) == id && !p.Bot && !p.Gone {
			return true
		}
	}
	return false
}

// isURL reports whether the request is for the configured address.
func (d *Door) isURL(r *http.Request) bool {
	if d.o.URL == nil {
		return false
	}
	name, port := splitHost(r.Host)
	want, wantPort := splitHost(d.o.URL.Host)
	usual := map[string]string{"http": "80", "https": "443"}[d.o.URL.Scheme]
	if port == "" {
		port = usual
	}
	if wantPort == "" {
		wantPort = usual
	}
	return name == want && port == wantPort
}

// secure reports whether the browser speaks TLS to us or to the proxy before us.
func (d *Door) secure(r *http.Request) bool {
	return r.TLS != nil || d.isURL(r) && d.o.URL.Scheme == "https"
}

// client is the address from which a request comes, for limits and never for identity. Of
// X-Forwarded-For only what a trusted proxy wrote is believed: from the right, the first address
// that is no proxy of ours.
func (d *Door) client(r *http.Request) (ip netip.Addr, forwarded bool) {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	ip = at.Addr().Unmap()
	var hops []string
	for _, line := range r.Header.Values("X-Forwarded-For") {
		hops = append(hops, strings.Split(line, ",")...)
	}
	for len(hops) > 0 && d.proxy(ip) {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1]))
		if err != nil {
			break
		}
		ip, hops, forwarded = next.Unmap(), hops[:len(hops)-1], true
	}
	return ip, forwarded
}

func (d *Door) proxy(ip netip.Addr) bool {
	return slices.ContainsFunc(d.o.Proxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// place is what an address counts as: of IPv6 the /64, since one visitor has all of it.
func place(ip netip.Addr) string {
	if ip.Is6() {
		p, _ := ip.WithZone("").Prefix(64)
		return p.String()
	}
	return ip.String()
}

// local is next if it is a path of this site, otherwise "/". What a browser could take for the
// address of another site is refused, also "//host" and "/\host".
func local(next string) string {
	bad := next == "" || next[0] != '/' || len(next) > 2000 ||
		strings.HasPrefix(next, "//") || strings.ContainsFunc(next, func(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f })
	if bad {
		return "/"
	}
	path, _, _ := strings.Cut(next, "?")
	for _, own := range []string{"/login", "/logout"} {
		if path == own || strings.HasPrefix(path, own+"/") {
			return "/"
		}
	}
	return next
}
