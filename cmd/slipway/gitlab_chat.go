package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"slipway/bot/card"
	"slipway/bot/engine"
	"slipway/bot/errs"
	"slipway/bot/people"
	"slipway/commands/talk"
	"slipway/integrations/console"
	"slipway/integrations/gitlab/hook"
	"slipway/integrations/gitlab/notes"
	"slipway/state"
)

// gitlabChat is the comments of GitLab as a chat. Nobody is ever alone with the bot there: a private
// run is not spoken of on GitLab at all.
type gitlabChat struct {
	poster *notes.Poster
	past   *notes.Past

	mu    sync.Mutex        // one reading at a time
	since map[int]time.Time // by project: comments were read up to then
	rooms []string          // places whose open gate messages are to be found after the start
}

// openChat makes the chat port of the configured GitLab, if there is one.
func (b *bot) openChat() error {
	if !b.conf.GitLab.on() {
		return nil
	}
	secret, err := sealSecret(filepath.Join(b.conf.State, "gitlab-comments.key"))
	if err != nil {
		return err
	}
	b.recallAccount()
	poster, err := notes.NewPoster(notes.Options{Client: b.forge.client, Secret: secret, Accounts: b.gitlabAccounts, Now: time.Now})
	if err != nil {
		return err
	}
	var projects []int
	var rooms []string
	for _, name := range sortedKeys(b.conf.GitLab.Projects) {
		p := b.conf.GitLab.Projects[name]
		rooms = append(rooms, p.Rooms...)
		for _, id := range []int{p.Project, p.Fork} {
			if id != 0 && !slices.Contains(projects, id) {
				projects = append(projects, id)
			}
		}
	}
	past := notes.NewPast(notes.PastOptions{Client: b.forge.client, Projects: projects, Heard: b.addressed})
	since := map[int]time.Time{}
	for _, id := range projects {
		since[id] = time.Now()
	}
	b.forge.chat = &gitlabChat{poster: poster, past: past, rooms: rooms, since: since}
	return nil
}

// addressed reports whether a comment may speak to the bot.
func (b *bot) addressed(text string) bool {
	return notes.Addressed(append(addresses(), asWritten(b.forge.username())...)...)(text)
}

// sealSecret is the secret of the seals of comments, made at the first start. If it is lost, every
// message of the bot is written anew before reactions on it count.
func sealSecret(path string) ([]byte, error) {
	const op = "serve"
	raw, err := os.ReadFile(path)
	if err == nil {
		if secret, err := hex.DecodeString(strings.TrimSpace(string(raw))); err == nil && len(secret) == 32 {
			return secret, nil
		}
		return nil, errs.E(op, errs.Corrupt, fmt.Errorf("%s is not what Slipway wrote there", path)).Hint("remove it: a new one is made, and gate messages on GitLab are written anew")
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, state.DiskError(op, path, err)
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, errs.E(op, errs.Internal, errors.New("the system gives no randomness"))
	}
	if err := replaceFile(path, []byte(hex.EncodeToString(secret)+"\n")); err != nil {
		return nil, state.DiskError(op, path, err)
	}
	return secret, nil
}

// replaceFile writes a small file whole or not at all.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// ownAccount is the bot's account on GitLab as it was found last: a comment that comes in before GitLab
// answers after a start is understood with it.
type ownAccount struct {
	URL  string `json:"url"`
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

func (b *bot) accountFile() string { return filepath.Join(b.conf.State, "gitlab-account.json") }

func (b *bot) recallAccount() {
	var a ownAccount
	raw, err := os.ReadFile(b.accountFile())
	if err != nil || json.Unmarshal(raw, &a) != nil || a.URL != b.conf.GitLab.URL || a.ID <= 0 {
		return // it is asked for
	}
	b.forge.name.Store(a.Name)
	b.forge.me.Store(a.ID)
}

// learned notes which account is the bot's own.
func (b *bot) learned(id int64, name string) {
	if b.forge.me.Load() == id && b.forge.username() == name {
		return
	}
	b.forge.name.Store(name)
	b.forge.me.Store(id)
	raw, err := json.Marshal(ownAccount{b.conf.GitLab.URL, id, name})
	if err == nil {
		err = replaceFile(b.accountFile(), append(raw, '\n'))
	}
	if err != nil {
		b.log.Warn("the bot's own account on GitLab is not remembered for the next start", "error", err.Error())
	}
}

// gitlabAccounts are the numbers of a person's accounts on GitLab.
func (b *bot) gitlabAccounts(person string) (out []int) {
	if b.engine == nil {
		return nil
	}
	found, ok := b.engine.World().Directory.Person(people.PersonID(person))
	if !ok || found.Gone || found.Bot {
		return nil
	}
	for _, a := range found.Accounts {
		if n, err := strconv.Atoi(a.ID); a.Source == notes.Source && err == nil && n > 0 {
			out = append(out, n)
		}
	}
	return out
}

// posters are the chats that there are.
func (b *bot) posters() map[string]engine.Poster {
	all := map[string]engine.Poster{console.Source: consolePoster{b.room.Poster(botAccount)}}
	if b.forge.chat != nil {
		all[notes.Source] = notesPoster{b.forge.chat.poster}
	}
	if b.slack != nil {
		all[slackSource] = picturePoster{slackPoster{b.slack.chat.poster, b.log}, b.drawn}
	}
	return all
}

// pasts are the sources that can tell again what they delivered.
func (b *bot) pasts() map[string]engine.Past {
	all := map[string]engine.Past{console.Source: roomPast{b.room}}
	if b.forge.chat != nil {
		all[notes.Source] = notesPast{b.forge.chat.past}
	}
	if b.slack != nil {
		all[slackSource] = slackPast{b.slack.chat.past}
	}
	return all
}

// notesPoster is the engine's port to comments on GitLab.
type notesPoster struct{ poster *notes.Poster }

func notesRef(r engine.Ref) notes.Ref {
	return notes.Ref{Place: r.Place.ID, Message: r.Message, Thread: r.Thread}
}

func engineRef(r notes.Ref) engine.Ref {
	return engine.Ref{Place: engine.Place{Source: notes.Source, ID: r.Place}, Message: r.Message, Thread: r.Thread}
}

// Find looks through all discussions: GitLab lists them whole, the oldest first.
func (p notesPoster) Find(ctx context.Context, key string, to engine.Ref, _ time.Time) (engine.Ref, bool, error) {
	ref, found, err := p.poster.Find(ctx, key, notesRef(to))
	return engineRef(ref), found, err
}

func (p notesPoster) Post(ctx context.Context, key string, to engine.Ref, c card.Card) (engine.Ref, error) {
	ref, err := p.poster.Post(ctx, key, notesRef(to), c)
	return engineRef(ref), err
}

func (p notesPoster) Edit(ctx context.Context, ref engine.Ref, c card.Card) error {
	return p.poster.Edit(ctx, notesRef(ref), c)
}

func (p notesPoster) Reactions(ctx context.Context, ref engine.Ref) ([]engine.Reaction, error) {
	found, err := p.poster.Reactions(ctx, notesRef(ref))
	out := make([]engine.Reaction, len(found))
	for i, r := range found {
		out[i] = engine.Reaction{Account: people.Account{Source: notes.Source, ID: strconv.Itoa(r.User), Handle: r.Name}, Emoji: r.Emoji}
	}
	return out, err
}

// chatParser knows by which name the bot goes where a message was written.
type chatParser struct {
	talk.Parser
	gitlab func() string // its user name on GitLab; "": not known
}

func (p chatParser) Parse(text string, s engine.Spoken) []engine.Asked {
	if s.Place.Source == notes.Source {
		p.Markdown = true
		p.Addresses = append(slices.Clone(p.Addresses), asWritten(p.gitlab())...)
	}
	return p.Parser.Parse(text, s)
}

// asWritten are the ways in which comments have a user name, none for "": GitLab's editor may put a
// backslash before a _.
func asWritten(name string) []string {
	if name == "" {
		return nil
	}
	return []string{name, strings.ReplaceAll(name, "_", `\_`)}
}

// What is read at GitLab, and not told by a webhook, comes with the number of its project in place of
// the name of a hook, which never has a slash; seenReactions is the event of a message whose reactions
// changed.
const (
	readAt        = "api/"
	seenReactions = "Reactions"
)

// readHook is the project of what was read at GitLab, in place of a hook.
func (d gitlabDecoder) readHook(name string) (gitlabHook, bool) {
	number, ok := strings.CutPrefix(name, readAt)
	if !ok {
		return gitlabHook{}, false
	}
	for _, project := range sortedKeys(d.conf.GitLab.Projects) {
		p := d.conf.GitLab.Projects[project]
		for _, id := range []int{p.Project, p.Fork} {
			if id != 0 && strconv.Itoa(id) == number {
				return gitlabHook{Hook: hook.Hook{Name: name}, Project: project, ID: id}, true
			}
		}
	}
	return gitlabHook{}, false
}

// seen decodes a delivery of [seenReactions].
func seen(body []byte) ([]engine.Fact, error) {
	var ref notes.Ref
	if err := json.Unmarshal(body, &ref); err != nil || ref.Message == "" {
		return nil, errs.E("gitlab.decode", errs.Invalid, errors.New("it names no comment"))
	}
	return []engine.Fact{engine.Touched{Place: engine.Place{Source: notes.Source, ID: ref.Place}, Message: ref.Message, Found: true}}, nil
}

// notesPast tells again what people wrote on GitLab.
type notesPast struct{ past *notes.Past }

func (p notesPast) Since(ctx context.Context, from time.Time, deliver func(engine.Delivery) error) error {
	return p.past.Since(ctx, from, func(w notes.Written) error { return deliver(readNote(w)) })
}

func readNote(w notes.Written) engine.Delivery {
	return engine.Delivery{Source: notes.Source, ID: w.ID, Account: people.Account{Source: notes.Source, ID: strconv.Itoa(w.Account)}, Place: w.Place,
		Headers: map[string]string{hook.HeaderEvent: w.Event, hook.HeaderHook: readAt + strconv.Itoa(w.Project)}, Body: w.Body, At: w.At}
}

// Comments are read so often where webhooks may be silent, unless the configuration has it otherwise,
// from so much before the last reading, and for the first time soon after the start.
const (
	chatEvery  = time.Minute
	chatMargin = 2 * time.Minute
	chatFirst  = 2 * time.Second
)

// listenAgain reads now and then what was written and which reactions were given on GitLab, of which
// no webhook may have told.
func (b *bot) listenAgain(ctx context.Context, clock engine.Clock) error {
	if b.forge.chat == nil {
		return nil
	}
	for wait := min(chatFirst, b.conf.GitLab.Every); ; wait = b.conf.GitLab.Every {
		wake, stop := clock.Wake(clock.Now().Add(wait))
		select {
		case <-ctx.Done():
			stop()
			return nil
		case <-wake:
		}
		stop()
		limited, cancel := context.WithTimeout(ctx, max(chatEvery, b.conf.GitLab.Every))
		err := b.hearAgain(limited, clock.Now())
		cancel()
		if err != nil && ctx.Err() == nil {
			b.log.Info("the comments on GitLab cannot be read now", "error", errs.Text(err))
		}
	}
}

// hearAgain reads them once.
func (b *bot) hearAgain(ctx context.Context, now time.Time) error {
	c := b.forge.chat
	c.mu.Lock()
	defer c.mu.Unlock()
	var failed error // what cannot be read keeps nobody from reading the rest
	for _, project := range slices.Sorted(maps.Keys(c.since)) {
		err := c.past.SinceIn(ctx, project, c.since[project].Add(-chatMargin), func(w notes.Written) error {
			_, err := b.engine.DeliverLate(ctx, readNote(w))
			return err
		})
		if err == nil {
			c.since[project] = now
		}
		failed = errors.Join(failed, err)
	}
	c.rooms = slices.DeleteFunc(c.rooms, func(room string) bool {
		err := c.poster.Recall(ctx, room)
		if errs.Is(err, errs.Gone) {
			err = nil
		}
		failed = errors.Join(failed, err)
		return err == nil
	})
	changed, err := c.poster.Changed(ctx)
	failed = errors.Join(failed, err)
	for _, change := range changed {
		ref := change.Ref
		place, bad := notes.ParsePlace(ref.Place)
		body, bad2 := json.Marshal(ref)
		if bad = errors.Join(bad, bad2); bad != nil {
			continue
		}
		d := engine.Delivery{Source: notes.Source, ID: "reactions-" + ref.Message + "-" + newID(), Place: ref.Place, Body: body,
			Headers: map[string]string{hook.HeaderEvent: seenReactions, hook.HeaderHook: readAt + strconv.Itoa(place.Project)}}
		if err := b.engine.Deliver(ctx, d); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		c.poster.Told(change)
	}
	return failed
}
