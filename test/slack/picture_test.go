package slack

import (
	"bytes"
	"image/png"
	"strings"
	"testing"

	fake "slipway/test/fakes/slack"
)

// TestARunIsDrawnInItsThread: whoever asks for it has the run as a picture, with words for who does not see
// it; of a private run nobody else has one.
func TestARunIsDrawnInItsThread(t *testing.T) {
	t.Parallel()
	w := newWorld(t, shape{})
	w.says("hana", "@slipway release "+version)
	w.until("it has begun", func() bool { return len(w.ours(w.room, runName+" has begun")) == 1 })
	asked := w.says("ben", "@slipway release graph "+version)
	drawn := func() (files []fake.File) {
		for _, m := range w.slack.Messages(w.room) {
			for _, id := range m.Files {
				if m.Thread == asked {
					files = append(files, w.slack.File(id))
				}
			}
		}
		return files
	}
	w.until("the run is drawn", func() bool { return len(w.ours(w.room, "The picture is in the file")) == 1 })
	files := drawn()
	if len(files) != 1 || len(w.slack.Files()) != 1 {
		t.Fatalf("there are %d files in the thread, and %d in all", len(files), len(w.slack.Files()))
	}
	im, err := png.Decode(bytes.NewReader(files[0].Content))
	w.must(err)
	if side := im.Bounds().Dx(); side < 800 || side > 4096 {
		t.Errorf("the picture is %d wide", side)
	}
	if alt := files[0].AltText; !strings.HasPrefix(alt, runName+": ") || !strings.Contains(alt, " steps, ") {
		t.Errorf("who does not see it hears %q", alt)
	}

	const secret = "2026.09"
	w.whispers("hana", "release "+secret+" --private")
	w.until("the private run has begun", func() bool { return strings.Contains(w.asks("hana", "release", "list"), secret) })
	w.says("hana", "@slipway release graph "+secret)
	w.until("it is not drawn where others read", func() bool { return len(w.ours(w.room, "that is not spoken of where others read")) == 1 })
	w.whispers("ben", "release graph "+secret)
	w.until("nor for somebody else", func() bool { return len(w.ours(w.slack.DM(w.users["ben"]), "there is no run")) == 1 })
	w.whispers("hana", "release graph "+secret)
	alone := w.slack.DM(w.users["hana"])
	w.until("hana sees it alone", func() bool { return len(w.ours(alone, "The picture is in the file")) == 1 })
	for _, f := range w.slack.Files()[1:] {
		if len(f.Channels) != 1 || f.Channels[0] != alone {
			t.Errorf("the file %s is in %v", f.Title, f.Channels)
		}
	}
	if n := len(w.slack.Files()); n != 2 {
		t.Errorf("there are %d files", n)
	}
}
