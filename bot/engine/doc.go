// Package engine is the shell around the pure core: the one path from a delivery on disk to an
// effect in the world and back.
//
// [Engine.Deliver] keeps the raw bytes; only then may a sender be told that all is well. Decoding
// happens after that, and can be repeated. [Engine.Submit] gives an input to a run: decide, then
// one guarded commit of everything that follows. Effect workers do what was committed as intent,
// by the policy of each action, and feed the result back as an input. Timers, locks, jobs and
// cards hang on the same records.
//
// What is promised: nothing that was acknowledged is lost, nothing is done twice, and a crash at
// any instruction leaves records from which the work goes on. The records are in layout.go. No
// loop keeps state that cannot be made again from them.
//
// [Engine.Run] works until its context ends. [Engine.Drain] does all work that is due now in the
// calling goroutine, in a fixed order: tests, rehearsals and the crash sweep drive time with it.
package engine
