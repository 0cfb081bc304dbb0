package main

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// fewConns is a listener with a bound on the connections that are open at a time, of all and of
// one address. What is above is closed at once: a visitor who comes then sees that, and does not
// wait. This machine and the proxies before it have the bound of all.
type fewConns struct {
	net.Listener
	most, from int
	proxies    []netip.Prefix

	mu   sync.Mutex
	open int
	by   map[netip.Addr]int
}

func newFewConns(l net.Listener, most, from int, proxies []netip.Prefix) *fewConns {
	return &fewConns{Listener: l, most: most, from: from, proxies: proxies, by: map[netip.Addr]int{}}
}

// Accept gives the next connection within the bounds.
func (f *fewConns) Accept() (net.Conn, error) {
	for {
		c, err := f.Listener.Accept()
		if err != nil {
			return nil, err
		}
		ip := addressOf(c)
		if !f.add(ip) {
			_ = c.Close()
			continue
		}
		return &fewConn{Conn: c, done: sync.OnceFunc(func() { f.remove(ip) })}, nil
	}
}

func addressOf(c net.Conn) netip.Addr {
	at, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	ip := at.Addr().Unmap().WithZone("")
	if ip.Is6() && !ip.IsLoopback() { // one visitor has all of a /64
		net, _ := ip.Prefix(64)
		return net.Addr()
	}
	return ip
}

func (f *fewConns) add(ip netip.Addr) bool {
	near := ip.IsLoopback() || slices.ContainsFunc(f.proxies, func(p netip.Prefix) bool { return p.Contains(ip) })
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open >= f.most || !near && f.by[ip] >= f.from {
		return false
	}
	f.open++
	f.by[ip]++
	return true
}

func (f *fewConns) remove(ip netip.Addr) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open--
	if f.by[ip]--; f.by[ip] <= 0 {
		delete(f.by, ip)
	}
}

type fewConn struct {
	net.Conn
	done func()
}

// Close closes the connection and makes room for another.
func (c *fewConn) Close() error {
	defer c.done()
	return c.Conn.Close()
}
