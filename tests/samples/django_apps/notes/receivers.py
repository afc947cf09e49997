"""What the app listens to."""

posts = []


def note_saved_post(sender, instance, **kwargs):
    posts.append(instance.title)
