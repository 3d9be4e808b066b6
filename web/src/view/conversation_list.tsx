import { conversations, current, removeConversation, show, startConversation } from "../state/conversations";
import type { Conversation } from "../state/turns";
import { PlusIcon, RemoveIcon } from "./icons";
import { leaveList } from "./layout";

export function ConversationList() {
  const start = () => {
    startConversation();
    leaveList();
  };
  return (
    <nav class="side list" id="conversations" aria-label="Conversations">
      <button type="button" class="new" onClick={start}>
        <PlusIcon /> New chat
      </button>
      <ul>
        {conversations.value.map((conversation) => (
          <ConversationLine key={conversation.id} conversation={conversation} />
        ))}
      </ul>
    </nav>
  );
}

function ConversationLine({ conversation }: { conversation: Conversation }) {
  const choose = () => {
    show(conversation);
    leaveList();
  };
  const title = conversation.title.value;
  return (
    <li>
      <button type="button" class="title" aria-current={conversation === current.value} onClick={choose}>
        {title}
      </button>
      <button
        type="button"
        class="quiet"
        title="Delete"
        aria-label={`Delete “${title}”`}
        onClick={() => removeConversation(conversation)}
      >
        <RemoveIcon />
      </button>
    </li>
  );
}
